package serde

import "encoding/base64"

// Base64 is MIME's base64 (RFC 2045) as Python's 'base64' writes it: a newline
// after every 76 characters and at the end. Newlines may stand anywhere when it
// is read, or nowhere. It is for stores that only take text.
func Base64() Encoding { return base64Lines{} }

type base64Lines struct{}

const lineLength = 76

func (base64Lines) Name() string { return "base64" }

func (base64Lines) Encode(data []byte) ([]byte, error) {
	const perLine = lineLength / 4 * 3
	out := make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+len(data)/perLine+1)
	for len(data) > 0 {
		n := min(len(data), perLine)
		out = base64.StdEncoding.AppendEncode(out, data[:n])
		out = append(out, '\n')
		data = data[n:]
	}
	return out, nil
}

// The limit is looked at afterwards: the result is smaller than data.
func (base64Lines) Decode(data []byte, limit int) ([]byte, error) {
	out, err := base64.StdEncoding.Strict().AppendDecode(nil, data)
	if err != nil {
		return nil, err
	}
	if len(out) > limit {
		return nil, ErrTooLarge
	}
	return out, nil
}
