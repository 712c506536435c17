package trace

import (
	"math"
	"slices"
	"testing"
)

func sized(t *testing.T, text string) *Trace {
	t.Helper()
	got, err := Read(file(t, "some.txt", []byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestNext(t *testing.T) {
	got := sized(t, "a\nb\na\nc\nb\na\n")
	if want := []uint32{2, 4, 5, Never, Never, Never}; !slices.Equal(got.Next(), want) {
		t.Errorf("got %v, want %v", got.Next(), want)
	}
	if got.Len() != 6 || got.Distinct() != 3 {
		t.Errorf("it has %d requests of %d keys", got.Len(), got.Distinct())
	}
}

func TestVolume(t *testing.T) {
	got := sized(t, "a 5\nb 7\na 6\n")
	if got.Volume() != 13 {
		t.Errorf("got %d, want the last sizes, 13", got.Volume())
	}
	if n := got.WithoutSizes().Volume(); n != 2 {
		t.Errorf("without sizes: got %d, want the number of keys", n)
	}
}

func TestLogNormalCosts(t *testing.T) {
	const keys = 10_000
	drawn, err := Draw("loop:keys=10000:n=20000", 1)
	if err != nil {
		t.Fatal(err)
	}
	const sigma = 1.5
	priced := drawn.WithLogNormalCosts(1, sigma)
	again, other := drawn.WithLogNormalCosts(1, sigma), drawn.WithLogNormalCosts(2, sigma)
	var logs []float64
	differ := 0
	for i, r := range priced.All() {
		if r != again.At(i) {
			t.Fatalf("request %d costs %v, and with the same seed %v", i, r.Cost, again.At(i).Cost)
		}
		if i >= keys && r != priced.At(i-keys) {
			t.Fatalf("one key costs %v and then %v", priced.At(i-keys).Cost, r.Cost)
		}
		if r.Cost != other.At(i).Cost {
			differ++
		}
		logs = append(logs, math.Log(r.Cost))
	}
	if differ < keys {
		t.Errorf("another seed gives other costs for %d of %d requests only", differ, priced.Len())
	}
	mean, square := 0.0, 0.0
	for _, l := range logs {
		mean += l / float64(len(logs))
		square += l * l / float64(len(logs))
	}
	if deviation := math.Sqrt(square - mean*mean); math.Abs(mean) > 0.05 || math.Abs(deviation-sigma) > 0.05 {
		t.Errorf("the logarithms have mean %.3f and deviation %.3f, want 0 and %v", mean, deviation, sigma)
	}
	if drawn.HasCosts() || !priced.HasCosts() || priced.WithoutCosts().HasCosts() {
		t.Error("a trace was changed, or does not know what it has")
	}
}

// Loads of one key differ by noise, which the seed decides.
func TestNoise(t *testing.T) {
	const sigma = 0.5
	drawn, err := Draw("loop:keys=100:n=20000", 1)
	if err != nil {
		t.Fatal(err)
	}
	exact := drawn.WithLogNormalCosts(1, 2)
	noisy, again, other := exact.WithNoise(1, sigma), exact.WithNoise(1, sigma), exact.WithNoise(2, sigma)
	mean, square, differ := 0.0, 0.0, 0
	for i, r := range noisy.All() {
		if r != again.At(i) {
			t.Fatalf("request %d costs %v, and with the same seed %v", i, r.Cost, again.At(i).Cost)
		}
		if r != other.At(i) {
			differ++
		}
		l := math.Log(r.Cost / exact.At(i).Cost)
		mean += l / float64(noisy.Len())
		square += l * l / float64(noisy.Len())
	}
	if deviation := math.Sqrt(square - mean*mean); math.Abs(mean) > 0.02 || math.Abs(deviation-sigma) > 0.02 {
		t.Errorf("the logarithms have mean %.3f and deviation %.3f, want 0 and %v", mean, deviation, sigma)
	}
	if differ < noisy.Len() {
		t.Errorf("another seed gives other costs for %d of %d requests only", differ, noisy.Len())
	}
	if r := drawn.WithNoise(1, 0).At(7); r.Cost != 1 {
		t.Errorf("without noise a load costs %v", r.Cost)
	}
}

// A key's size is the same at each request, and has nothing to do with its cost.
func TestLogNormalSizes(t *testing.T) {
	const keys, sigma = 10_000, 1.5
	drawn, err := Draw("loop:keys=10000:n=20000", 1)
	if err != nil {
		t.Fatal(err)
	}
	sized := drawn.WithLogNormalSizes(1, sigma).WithLogNormalCosts(1, sigma)
	mean, square, together := 0.0, 0.0, 0.0
	for i, r := range sized.All() {
		if i >= keys && r != sized.At(i-keys) {
			t.Fatalf("one key is %v and then %v", sized.At(i-keys), r)
		}
		l := math.Log(float64(r.Size) / medianSize)
		mean += l / float64(sized.Len())
		square += l * l / float64(sized.Len())
		together += l * math.Log(r.Cost) / float64(sized.Len())
	}
	if deviation := math.Sqrt(square - mean*mean); math.Abs(mean) > 0.05 || math.Abs(deviation-sigma) > 0.05 {
		t.Errorf("the logarithms have mean %.3f and deviation %.3f, want 0 and %v", mean, deviation, sigma)
	}
	if correlation := together / sigma / sigma; math.Abs(correlation) > 0.05 {
		t.Errorf("sizes and costs are correlated: %.3f", correlation)
	}
	if drawn.HasSizes() || !sized.HasSizes() {
		t.Error("a trace was changed, or does not know what it has")
	}
}
