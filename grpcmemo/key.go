package grpcmemo

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"

	"google.golang.org/grpc/metadata"
)

// key tells calls apart. Request and metadata are hashes, so that what they say is in no
// log; they are such that nobody can find two texts for one.
type key struct {
	connection uint64
	method     string
	reply      string // the name of its type
	generation uint32
	request    string
	metadata   string
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func digestOf(md metadata.MD) string {
	if len(md) == 0 {
		return ""
	}
	var text []byte
	add := func(s string) { text = append(binary.AppendUvarint(text, uint64(len(s))), s...) }
	for _, name := range slices.Sorted(maps.Keys(md)) {
		add(name)
		text = binary.AppendUvarint(text, uint64(len(md[name])))
		for _, value := range md[name] {
			add(value)
		}
	}
	return digest(text)
}
