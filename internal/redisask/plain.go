package redisask

import (
	"errors"
	"strings"

	"github.com/redis/go-redis/v9"
)

// Plain is an error of a client's without what it may quote: servers repeat the
// arguments of a command that they don't take, and clients answers that they can't
// read. It matches what the error matches.
func Plain(err error, key string) error {
	var server redis.Error
	text := err.Error()
	answered := errors.As(err, &server)
	if !answered && !strings.HasPrefix(text, "redis: ") && !strings.HasPrefix(text, "strconv.") {
		return err
	}
	cut := withoutKey(withoutQuotes(text), key)
	if cut == text {
		return err
	}
	return plain{cut, err}
}

// plain is an error with another text. It does not wrap the error, whose text would
// be shown by who shows what is wrapped, and is found as the error is.
type plain struct {
	text string
	err  error
}

func (p plain) Error() string        { return p.text }
func (p plain) Is(target error) bool { return errors.Is(p.err, target) }
func (p plain) As(target any) bool   { return errors.As(p.err, target) }

// withoutQuotes is a text up to the first that it quotes, but for the name of a
// command.
func withoutQuotes(text string) string {
	text, _, args := strings.Cut(text, ", with args beginning with:")
	for at := 0; ; {
		i := strings.IndexAny(text[at:], "'\"`")
		if i < 0 {
			if args {
				text += ", with arguments"
			}
			return text
		}
		begins := at + i
		n := strings.IndexByte(text[begins+1:], text[begins])
		if n < 0 {
			return text[:begins] + "…"
		}
		ends := begins + 1 + n
		if !isCommand(text[begins+1:ends]) || !strings.HasSuffix(text[:begins], "command ") && !strings.HasPrefix(text[ends+1:], " command") {
			return text[:begins] + "…"
		}
		at = ends + 1
	}
}

// isCommand reports whether a text may be the name of a command.
func isCommand(text string) bool {
	const longest = 32
	return len(text) <= longest && strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz|_.-") == ""
}

// withoutKey is a text up to where it has the key as a word, after its first one.
func withoutKey(text, key string) string {
	code, rest, ok := strings.Cut(text, " ")
	if !ok || key == "" {
		return text
	}
	for at := 0; ; {
		i := strings.Index(rest[at:], key)
		if i < 0 {
			return text
		}
		begins, ends := at+i, at+i+len(key)
		if (begins == 0 || !isLetter(rest[begins-1])) && (ends == len(rest) || !isLetter(rest[ends])) {
			return code + " " + rest[:begins] + "…"
		}
		at = begins + 1
	}
}

func isLetter(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}
