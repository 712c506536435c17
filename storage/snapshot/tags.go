package snapshot

import (
	"encoding/binary"
	"fmt"
)

// appendTags adds what a record has of tags.
func appendTags(to []byte, tags []string) []byte {
	for _, tag := range tags {
		to = append(binary.AppendUvarint(to, uint64(len(tag))), tag...)
	}
	return to
}

// readTags reads what appendTags has written.
func readTags(from []byte) (tags []string, err error) {
	for len(from) > 0 {
		n, size := binary.Uvarint(from)
		if size <= 0 || n > uint64(len(from)-size) {
			return nil, fmt.Errorf("%w: the tags of a record end too early", ErrCorrupt)
		}
		from = from[size:]
		tags, from = append(tags, string(from[:n])), from[n:]
	}
	return tags, nil
}
