package redisstore_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/perennial-go/perennial/internal/checks"
	"github.com/perennial-go/perennial/internal/servers"
	"github.com/perennial-go/perennial/storage"
	"github.com/perennial-go/perennial/storage/redisstore"
)

// Something else is stored under a key of ours: to read it is an error that says
// so, and what is written takes its place.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	e := redisstore.New(newClient(t, s))
	ctx := t.Context()
	for kind, make := range map[string][]string{
		"a list":               {"RPUSH", "the key", "x"},
		"a string":             {"SET", "the key", "x"},
		"a string with an end": {"SET", "the key", "x", "EX", "100"},
		"another hash":         {"HSET", "the key", "k", "x"},
		"a hash of ours":       {"HSET", "the key", "k", "1000", "x", "-5", "e", "-5"},
	} {
		t.Run(kind, func(t *testing.T) {
			foreign := func() {
				s.Command("FLUSHALL")
				s.Command(make...)
				if err := e.Set(ctx, "good", []byte("good"), time.Hour); err != nil {
					t.Fatal(err)
				}
			}
			names := func(what string, err error) {
				t.Helper()
				if err == nil || !strings.Contains(err.Error(), `"the key"`) || !strings.Contains(err.Error(), "prefix") || strings.Contains(err.Error(), "good") {
					t.Errorf("%s says %v, want an error that names the key and says what to do", what, err)
				}
			}
			foreign()
			_, err := e.Get(ctx, "the key")
			names("Get", err)
			records, err := e.GetMany(ctx, []string{"the key", "good", "none", "the key"})
			names("GetMany", err)
			if len(records) != 4 || records[0].Found || string(records[1].Value) != "good" || records[2].Found {
				t.Errorf("GetMany returns %v", records)
			}
			for key, err := range e.Keys(ctx, "") {
				if key != "good" || err != nil {
					t.Errorf("Keys yields %q, %v", key, err)
				}
			}
			if strings.HasPrefix(kind, "a hash") {
				return // as good as a record, but for what can't be
			}
			if err := e.Set(ctx, "the key", []byte("set"), time.Hour); err != nil || found(t, e, "the key") != "set" {
				t.Errorf("Set does not replace it: %v", err)
			}
			foreign()
			if added, err := e.Add(ctx, "the key", []byte("added"), time.Hour); err != nil || !added || found(t, e, "the key") != "added" {
				t.Errorf("Add says %v, %v", added, err)
			}
			foreign()
			c := claimOf(t, e, "the key", time.Hour)
			if c.Found || found(t, e, "the key") != "" {
				t.Errorf("Claim returns %v", c)
			}
			if !fillFor(t, e, "the key", "filled", time.Hour, c.Token) || found(t, e, "the key") != "filled" {
				t.Error("a claim of it is not filled")
			}
			foreign()
			if fillFor(t, e, "the key", "late", time.Hour, c.Token) {
				t.Error("it is filled under a claim that is no more")
			}
			if had, err := e.Touch(ctx, time.Hour, "the key"); err != nil || had[0] {
				t.Errorf("Touch says %v, %v", had, err)
			}
			if had, err := e.Delete(ctx, "the key"); err != nil || had || s.Command("EXISTS", "the key") != "0" {
				t.Errorf("Delete says %v, %v", had, err)
			}
			foreign()
			if err := e.Clear(ctx, ""); err != nil || s.Command("DBSIZE") != "0" {
				t.Errorf("Clear leaves something: %v", err)
			}
		})
	}
}

// Who uses the plain commands reads what the layouts string and field write, and
// the other way round.
func TestInterchange(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	ctx := t.Context()
	texts, fields := redisstore.NewStrings(newClient(t, s)), redisstore.NewFields(newClient(t, s), "hash")

	if err := texts.Set(ctx, "ours", []byte("a value"), 90*time.Second); err != nil {
		t.Fatal(err)
	}
	if got := s.Command("GET", "ours") + " for " + s.Command("TTL", "ours"); got != "a value for 90" {
		t.Errorf("it is %s", got)
	}
	if err := texts.Set(ctx, "eternal", []byte("1"), storage.Forever); err != nil || s.Command("TTL", "eternal") != "-1" {
		t.Errorf("Forever has an end: %v", err)
	}
	s.Command("SET", "theirs", "another", "EX", "100")
	s.Command("SET", "theirs eternal", "another")
	r, err := texts.Get(ctx, "theirs")
	if err != nil || string(r.Value) != "another" || r.Left > 100*time.Second || r.Left < 90*time.Second {
		t.Errorf("Get returns %q for %v, %v", r.Value, r.Left, err)
	}
	if r, err = texts.Get(ctx, "theirs eternal"); err != nil || r.Left != storage.Forever {
		t.Errorf("Get returns %q for %v, %v", r.Value, r.Left, err)
	}

	if err := fields.Set(ctx, "ours", []byte("a value"), time.Hour); err != nil || s.Command("HGET", "hash", "ours") != "a value" {
		t.Errorf("a field is not there: %v", err)
	}
	s.Command("HSET", "hash", "theirs", "another")
	if r, err := fields.Get(ctx, "theirs"); err != nil || string(r.Value) != "another" || r.Left != 0 {
		t.Errorf("Get returns %q for %v, %v", r.Value, r.Left, err)
	}
	s.Command("RPUSH", "list", "x")
	if _, err := redisstore.NewFields(newClient(t, s), "list").Get(ctx, "a"); err == nil || !strings.Contains(err.Error(), `"list"`) {
		t.Errorf("a hash that is a list: %v", err)
	}
	if _, err := texts.Get(ctx, "hash"); err == nil || !strings.Contains(err.Error(), `"hash"`) {
		t.Errorf("a string that is a hash: %v", err)
	}
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	s := servers.Redis(t)
	ctx := t.Context()
	most := redisstore.MaxValue(10)
	e, rdb := redisstore.New(newClient(t, s), most), newClient(t, s)
	for name, b := range map[string]interface {
		storage.Bytes
		storage.BulkBytes
		storage.AdderBytes
	}{"entry": e, "string": redisstore.NewStrings(rdb, most), "field": redisstore.NewFields(rdb, "hash", most)} {
		t.Run(name, func(t *testing.T) {
			s.Command("FLUSHALL")
			tooLarge := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, redisstore.ErrTooLarge) || !strings.Contains(err.Error(), `"big"`) {
					t.Errorf("%s says %v, want ErrTooLarge that names the key", what, err)
				}
				if shown := strings.Join(checks.Leaves(err), "; "); !strings.Contains(shown, "max-value") || strings.Contains(shown, "big") {
					t.Errorf("%s says %q where keys are hidden, want the remedy alone", what, shown)
				}
			}
			big, fits := make([]byte, 11), make([]byte, 10)
			tooLarge("Set", b.Set(ctx, "big", big, time.Hour))
			_, err := b.Add(ctx, "big", big, time.Hour)
			tooLarge("Add", err)
			tooLarge("SetMany", b.SetMany(ctx, []storage.Item{{Key: "a", Value: fits, Keep: time.Hour}, {Key: "big", Value: big, Keep: time.Hour}, {Key: "b", Value: fits, Keep: time.Hour}}))
			records, err := b.GetMany(ctx, []string{"a", "big", "b"})
			if err != nil || !records[0].Found || records[1].Found || !records[2].Found {
				t.Errorf("after that there are %v, %v", records, err)
			}
		})
	}
	c := claimOf(t, e, "big", time.Hour)
	stored, err := e.Fill(ctx, storage.Filling{Item: storage.Item{Key: "big", Value: make([]byte, 11), Keep: time.Hour}, Token: c.Token})
	if !errors.Is(err, redisstore.ErrTooLarge) || !slices.Equal(stored, []bool{false}) {
		t.Errorf("Fill says %v, %v", stored, err)
	}
	if err := redisstore.New(rdb, redisstore.MaxValue(0)).Set(ctx, "big", make([]byte, 11), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Get(ctx, "big"); !errors.Is(err, redisstore.ErrTooLarge) {
		t.Errorf("Get of what another has stored says %v", err)
	}
	claims, err := e.Claim(ctx, time.Hour, "big")
	if !errors.Is(err, redisstore.ErrTooLarge) || claims[0].Found || claims[0].Token == "" {
		t.Errorf("Claim of what another has stored returns %v, %v", claims, err)
	}
}
