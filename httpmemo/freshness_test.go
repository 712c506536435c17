package httpmemo

import (
	"net/http"
	"testing"
	"time"

	"github.com/perennial-go/perennial/entry"
)

func TestFreshness(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	at := func(d time.Duration) string { return now.Add(d).Format(http.TimeFormat) }
	header := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	const delay = 2 * time.Second
	for name, c := range map[string]struct {
		status        int
		h             http.Header
		age, lifetime time.Duration
		shared        bool
	}{
		"nothing":                           {h: header(), age: delay},
		"the delay counts":                  {h: header("Date", at(0)), age: delay},
		"Age counts from when it was asked": {h: header("Age", "7"), age: 9 * time.Second},
		"apparent age":                      {h: header("Date", at(-5*time.Minute), "Age", "7"), age: 5 * time.Minute},
		"a date in the future":              {h: header("Date", at(5*time.Minute)), age: delay},
		"Expires less Date":                 {h: header("Date", at(-time.Minute), "Expires", at(time.Minute)), age: time.Minute, lifetime: 2 * time.Minute},
		"Expires before Date":               {h: header("Date", at(0), "Expires", at(-time.Minute)), age: delay},
		"two Expires":                       {h: header("Expires", at(time.Minute), "Expires", at(time.Hour)), age: delay},
		"a tenth":                           {h: header("Date", at(0), "Last-Modified", at(-time.Hour)), age: delay, lifetime: 6 * time.Minute},
		"at most a day":                     {h: header("Date", at(0), "Last-Modified", at(-10000*time.Hour)), age: delay, lifetime: 24 * time.Hour},
		"modified later":                    {h: header("Date", at(0), "Last-Modified", at(time.Hour)), age: delay},
		"not of a 302":                      {status: 302, h: header("Last-Modified", at(-time.Hour)), age: delay},
		"but if it is public":               {status: 302, h: header("Cache-Control", "public", "Last-Modified", at(-time.Hour)), age: delay, lifetime: 6 * time.Minute},
		"s-maxage":                          {h: header("Cache-Control", "s-maxage=5"), age: delay},
		"s-maxage where it counts":          {h: header("Cache-Control", "max-age=9, s-maxage=5"), age: delay, lifetime: 5 * time.Second, shared: true},
	} {
		if c.status == 0 {
			c.status = 200
		}
		f := freshnessOf(c.status, c.h, now.Add(-delay), now, c.shared)
		if f.age != c.age || f.lifetime != c.lifetime {
			t.Errorf("%s: age %v, lifetime %v; want %v, %v", name, f.age, f.lifetime, c.age, c.lifetime)
		}
	}
}

func TestLives(t *testing.T) {
	for control, want := range map[string]entry.Life{
		"max-age=10":                           {UpdateAfter: 10 * time.Second, ExpireAfter: 10 * time.Second},
		"max-age=10, stale-while-revalidate=5": {UpdateAfter: 10 * time.Second, ExpireAfter: 15 * time.Second},
		"max-age=10, stale-while-revalidate=5, must-revalidate":    {UpdateAfter: 10 * time.Second, ExpireAfter: 10 * time.Second},
		"max-age=0, stale-while-revalidate=5":                      {UpdateAfter: entry.AtOnce, ExpireAfter: 5 * time.Second},
		"no-cache, max-age=10, stale-while-revalidate=5":           {},
		"max-age=2147483648, stale-while-revalidate=9999999999999": {UpdateAfter: longest, ExpireAfter: 2 * longest},
	} {
		now := time.Now()
		f := freshnessOf(200, http.Header{"Cache-Control": {control}}, now, now, false)
		if got := f.life(); got != want {
			t.Errorf("%s: %+v, want %+v", control, got, want)
		}
		if err := f.life().Validate(); err != nil {
			t.Errorf("%s: %v", control, err)
		}
	}
}

func TestCacheStatusItems(t *testing.T) {
	for name, want := range map[string]string{
		"http": "http", "*a:b/c": "*a:b/c", "": `""`, "1a": `"1a"`, `a "b"\`: `"a \"b\"\\"`, "é": `"%c3%a9"`,
	} {
		if got := item(name); got != want {
			t.Errorf("%q is %s, want %s", name, got, want)
		}
	}
	for d, want := range map[time.Duration]string{1500 * time.Millisecond: "1", -1: "-1", -1500 * time.Millisecond: "-2", 0: "0", -time.Second: "-1"} {
		if got := wholeSeconds(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}
