package repository

import (
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

// TestLinksLeadSomewhere follows the links of all pages that lead to files of this
// repository and to headings of theirs.
func TestLinksLeadSomewhere(t *testing.T) {
	pages := map[string]string{} // by path
	for _, dir := range append(packages(t), filepath.Join(root, "benchmarks")) {
		found, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range found {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			pages[page] = string(text)
		}
	}
	followed := 0
	for page, text := range pages {
		for _, link := range links(text) {
			u, err := url.Parse(link)
			if err != nil {
				t.Errorf("%s: %s: %v", page, link, err)
				continue
			}
			if u.Scheme != "" || u.Host != "" {
				continue
			}
			followed++
			target := page
			if u.Path != "" {
				target = filepath.Join(filepath.Dir(page), filepath.FromSlash(u.Path))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", page, link)
				continue
			}
			if other, ok := pages[target]; u.Fragment != "" && (!ok || !anchors(other)[u.Fragment]) {
				t.Errorf("%s links to %s, and %s has no such heading", page, link, target)
			}
		}
	}
	if followed < 50 {
		t.Errorf("only %d links were followed: the test looks in the wrong place", followed)
	}
}

func TestDeadLinksAreFound(t *testing.T) {
	const page = "# One: `two` & three-four\n\n[a](b.md#c) ![d](e.svg) `[f](g)` [h][i]\n\n```go\nx := y[0](z)\n# No heading\n```\n\n## Same\n\n## Same\n\n    indented[1](2)\n\n[i]: j.md\n"
	if got, want := strings.Join(links(page), " "), "b.md#c e.svg j.md"; got != want {
		t.Errorf("the links are %q, want %q", got, want)
	}
	got := anchors(page)
	for _, want := range []string{"one-two--three-four", "same", "same-1"} {
		if !got[want] {
			t.Errorf("the anchors are %v, %q is not among them", got, want)
		}
	}
	if got["no-heading"] {
		t.Error("a line of code is taken for a heading")
	}
}

// TestPicturesAreXML reads the pictures, which are written by hand or by programs.
func TestPicturesAreXML(t *testing.T) {
	pictures, err := filepath.Glob(filepath.Join(root, "docs", "*.svg"))
	if err != nil || len(pictures) == 0 {
		t.Fatal(pictures, err)
	}
	for _, picture := range pictures {
		f, err := os.Open(picture)
		if err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(f)
		for err == nil {
			_, err = d.Token()
		}
		if !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", picture, err)
		}
		_ = f.Close()
	}
}

var (
	fenced    = regexp.MustCompile("(?ms)^ *```.*?^ *```[ \t]*$|^ {4}.*?$")
	spans     = regexp.MustCompile("`[^`\n]*`")
	inline    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	reference = regexp.MustCompile(`(?m)^\[[^\]]+\]: *(\S+)`)
)

// links is where the links of a page lead.
func links(page string) []string {
	page = spans.ReplaceAllString(fenced.ReplaceAllString(page, ""), "")
	var all []string
	for _, form := range []*regexp.Regexp{inline, reference} {
		for _, m := range form.FindAllStringSubmatch(page, -1) {
			all = append(all, m[1])
		}
	}
	return all
}

// anchors is the names by which GitHub links to a page's headings.
func anchors(page string) map[string]bool {
	all := map[string]bool{}
	for line := range strings.Lines(fenced.ReplaceAllString(page, "")) {
		heading := strings.TrimLeft(line, "#")
		if heading == line || !strings.HasPrefix(heading, " ") {
			continue
		}
		name := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(heading))
		for i, once := 1, name; all[name]; i++ {
			name = once + "-" + string(rune('0'+i))
		}
		all[name] = true
	}
	return all
}
