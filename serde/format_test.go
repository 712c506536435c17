package serde_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/perennial-go/perennial/serde"
)

func parsed(t testing.TB, text string) serde.Format {
	t.Helper()
	f, err := serde.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func forText[V any](t testing.TB, text string) serde.SerDe[V] {
	t.Helper()
	s, err := serde.For[V](parsed(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCanonicalText(t *testing.T) {
	for text, want := range map[string]string{
		"": "json", "json": "json", "json://": "json", "json://?": "json", "gob": "gob", "raw+base64": "raw+base64", "binary": "binary",
		"json+zip": "json+zlib", "json+zlib": "json+zlib", "json+gzip": "json+gzip", "json+bz2": "json+bz2",
		"entry-json": "entry-json", "entry-json+zip+base64": "entry-json+zlib+base64",
		"json+zlib://?compression-level=9":           "json+zlib://?compression-level=9",
		"json+zip://?limit=010&compression-level=-1": "json+zlib://?compression-level=-1&limit=10",
		"json+zlib+gzip://?compression-level=0":      "json+zlib+gzip://?compression-level=0",
	} {
		f := parsed(t, text)
		if f.String() != want {
			t.Errorf("%q becomes %q, want %q", text, f, want)
		}
		if again := parsed(t, f.String()); again.String() != want {
			t.Errorf("%q becomes %q", f, again)
		}
	}
	if zero := (serde.Format{}).String(); zero != "json" {
		t.Errorf("the zero Format is %q", zero)
	}
}

func TestTextsThatAreWrong(t *testing.T) {
	for text, want := range map[string][]string{
		"xml":                                 {`"xml"`, "base64, binary, bz2, entry-json", "json", "raw", "zip, zlib", "zstd (import _ \"github.com/perennial-go/perennial/serde/zstd\")"},
		"json+zstd":                           {"zstd is not imported: import _ \"github.com/perennial-go/perennial/serde/zstd\""},
		"json+zstandard":                      {"zstandard", `import _ "github.com/perennial-go/perennial/serde/zstd"`},
		"json+s2":                             {"s2 is not imported: import _ \"github.com/perennial-go/perennial/serde/s2\""},
		"zlib":                                {"begin with a codec", "raw+zlib"},
		"json+gob":                            {"gob", "only come first"},
		"json+entry-json":                     {"entry-json", "only come first"},
		"json+":                               {`""`, "unknown"},
		"+json":                               {`""`, "unknown"},
		"JSON":                                {`"JSON"`, "unknown"},
		"json zlib":                           {"space", "%2B"},
		"json://host":                         {`"host"`, "compression-level"},
		"json:///?limit=1":                    {"/?limit=1"},
		"json?limit=1":                        {"unknown"},
		"json://?x=1":                         {`"x"`, "take none"},
		"json+base64://?limit=1":              {`"limit"`, "take none"},
		"json+zlib://?x=1&y=2":                {`"x"`, `"y"`, "compression-level, limit"},
		"json+zlib://?compression-level":      {"compression-level", "-1 to 9"},
		"json+zlib://?compression-level=10":   {"compression-level", `"10"`, "-1 to 9"},
		"json+zlib://?compression-level=-2":   {"compression-level", "-1 to 9"},
		"json+zlib://?compression-level=fast": {"compression-level", `"fast"`},
		"json+zlib://?compression-level=1.0":  {"compression-level"},
		"json+zlib://?limit=0":                {"limit", "from 1"},
		"json+zlib://?limit=1&limit=2":        {"limit", "2 times"},
		"json+zlib://?limit=1;x=2":            {"semicolon"},
		"json+zlib://?limit=%zz":              {"%zz"},
		"json+zlib://?limit=99999999999999999999999": {"limit"},
		"xml+zstd+gob://?limit=1&limit=2":            {`"xml" is unknown`, "zstd is not imported", "gob takes values", `"limit" is given 2 times`},
	} {
		f, err := serde.Parse(text)
		if err == nil {
			t.Errorf("%q is read as %q", text, f)
			continue
		}
		if f.String() != "json" {
			t.Errorf("%q: beside its error stands %q", text, f)
		}
		for _, part := range append(want, "serde: format ") {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: the error is %q, want it to say %q", text, err, part)
			}
		}
	}
}

// What a text and a program say alike writes and reads the same records.
func TestFormatsAreWhatProgramsMake(t *testing.T) {
	smallest, err := serde.ZlibLevel(9)
	if err != nil {
		t.Fatal(err)
	}
	json := serde.JSON[string]()
	for text, made := range map[string]serde.SerDe[string]{
		"":                                 serde.Envelope(json),
		"json":                             serde.Envelope(json),
		"gob":                              serde.Envelope(made(serde.Gob[string]())),
		"raw":                              serde.Envelope(made(serde.Raw[string]())),
		"json+zip":                         serde.Envelope(serde.EncodedCodec(json, serde.Zlib())),
		"json+zlib://?compression-level=9": serde.Envelope(serde.EncodedCodec(json, smallest)),
		"json+gzip+base64":                 serde.Envelope(serde.EncodedCodec(json, serde.Gzip(), serde.Base64())),
		"entry-json":                       serde.EntryJSON[string](),
		"entry-json+zip+base64":            serde.Encoded(serde.EntryJSON[string](), serde.Zlib(), serde.Base64()),
	} {
		e := fresh(strings.Repeat("over and over again ", 100))
		byText, byProgram := written(t, forText[string](t, text), e), written(t, made, e)
		if !bytes.Equal(byText, byProgram) {
			t.Errorf("%q writes %.60q, a program %.60q", text, byText, byProgram)
		}
		if got, err := made.Deserialize(byText); err != nil || got.Value != e.Value {
			t.Errorf("a program reads what %q has written as %.60v, %v", text, got, err)
		}
	}
}

// A level or a limit changes nothing about who can read a record.
func TestParametersAreNoPartOfTheFormat(t *testing.T) {
	e := fresh("value")
	record := written(t, forText[string](t, "json+zlib://?compression-level=0"), e)
	if got, err := forText[string](t, "json+zlib://?compression-level=9&limit=100").Deserialize(record); err != nil || got.Value != "value" {
		t.Errorf("read as %v, %v", got, err)
	}
}

func TestLimitOfAText(t *testing.T) {
	for _, text := range []string{"raw+zlib", "raw+gzip"} {
		record := written(t, forText[string](t, text), fresh(strings.Repeat("a", 1000)))
		if _, err := forText[string](t, text+"://?limit=1000").Deserialize(record); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		refused(t, forText[string](t, text+"://?limit=999"), record, text, serde.ErrTooLarge)
	}
	refused(t, forText[any](t, "entry-json+bz2://?limit=10"), vectors.Entries[0].Records["bz2"], "bz2", serde.ErrTooLarge)
}

func init() {
	serde.Register(serde.PairLayer(protoMarshal, protoUnmarshal), "test-proto", "test-protobuf")
	serde.Register(serde.EncodingLayer(func(*serde.Parameters) (serde.Encoding, error) { return nil, errors.New("no luck today") }), "test-luckless")
}

func TestRegister(t *testing.T) {
	s := forText[*note](t, "test-protobuf+zlib")
	if e, err := s.Deserialize(written(t, s, fresh(&note{"text"}))); err != nil || e.Value.Text != "text" {
		t.Errorf("read as %v, %v", e, err)
	}
	if text := parsed(t, "test-protobuf+zlib").String(); text != "test-proto+zlib" {
		t.Errorf("the canonical text is %q", text)
	}
	same := serde.Envelope(serde.EncodedCodec(made(serde.Pair[*note]("test-proto", protoMarshal, protoUnmarshal)), serde.Zlib()))
	if e, err := same.Deserialize(written(t, s, fresh(&note{"text"}))); err != nil || e.Value.Text != "text" {
		t.Errorf("a Pair of the same name reads %v, %v", e, err)
	}
	if _, err := serde.For[user](parsed(t, "test-proto")); err == nil || !strings.Contains(err.Error(), "test-proto") || !strings.Contains(err.Error(), "serde_test.user") {
		t.Errorf("a type that is no message: %v", err)
	}
	if _, err := serde.Parse("json+test-luckless"); err == nil || !strings.Contains(err.Error(), "no luck today") {
		t.Errorf("an encoding that can't be opened: %v", err)
	}

	for name, register := range map[string]func(){
		"a name that is taken":       func() { serde.Register(serde.PairLayer(protoMarshal, protoUnmarshal), "json") },
		"a further one that is":      func() { serde.Register(serde.PairLayer(protoMarshal, protoUnmarshal), "test-free", "zip") },
		"no name":                    func() { serde.Register(serde.PairLayer(protoMarshal, protoUnmarshal)) },
		"an empty name":              func() { serde.Register(serde.PairLayer(protoMarshal, protoUnmarshal), "") },
		"a plus in the name":         func() { serde.Register(serde.PairLayer(protoMarshal, protoUnmarshal), "a+b") },
		"no functions":               func() { serde.Register(serde.Layer{}, "test-a") },
		"a pair of nil":              func() { serde.Register(serde.PairLayer(protoMarshal, nil), "test-b") },
		"an encoding without opener": func() { serde.Register(serde.EncodingLayer(nil), "test-c") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Register of %s does not panic", name)
				}
			}()
			register()
		}()
	}
}
