// Package serde turns entries into the records that a store of bytes keeps.
//
//	SerDe      an entry and its record        Envelope, EntryJSON, Encoded
//	Codec      a value and its bytes          JSON, Gob, Raw, Binary, Pair, Funcs
//	Encoding   bytes and other bytes          Zlib, Gzip, Base64, Bzip2; zstd.New, s2.New
//
// They are put together in a program or by a text, with the same result:
//
//	records := serde.Envelope(serde.EncodedCodec(serde.JSON[User](), serde.Zlib()))
//
//	format, err := serde.Parse("json+zlib")
//	records, err := serde.For[User](format)
//
// # What to choose
//
// Begin with json. It refuses text that is not UTF-8, of which a store would give back
// something else. Gob keeps that, and gives nil for a pointer in a struct to 0, "" or
// false (see Gob). Add zstd where values have more than some hundred bytes and
// the network or the store's memory counts, s2 where the processor does.
//
//	name         function             for
//	json         JSON                 anything that people or other languages read; the default
//	gob          Gob                  Go values that JSON would change or refuse; loses pointers to zero
//	raw          Raw                  strings and []byte, as they are
//	binary       Binary               values with MarshalBinary, such as time.Time
//	             Pair                 msgpack, CBOR, protobuf: any format that has a package
//	             Funcs                a format of your own
//	entry-json   EntryJSON            sharing a store with Python's py-memoize
//
//	name         function             parameters                        for
//	zstd         zstd.New             compression-level 1..22, limit    most values; import serde/zstd
//	s2           s2.New               limit                             speed; import serde/s2
//	zlib, zip    Zlib, ZlibLevel      compression-level -1..9, limit    Python's 'zip'; no further dependency
//	gzip         Gzip, GzipLevel      compression-level -1..9, limit    tools that know gzip
//	base64       Base64                                                 stores that only take text
//	bz2          Bzip2                limit                             reading what Python has written
//
// limit is how many bytes a record may decode to, 64 MiB unless it is said.
//
// # Where the encodings stand
//
// An Envelope stays outside: its header has the instants, says which codec and
// encodings made the value, and carries a checksum, so that a record that is
// damaged or of another format is known for it before anything is decoded. An
// EntryJSON is encoded as a whole, as py-memoize does it:
//
//	json+zlib            header ( zlib ( json ) )
//	entry-json+zip       zlib ( the entry as json )
//
// # What is read
//
// A store is shared, and what comes out of it may be anything. Deserialize
// returns a whole entry or an error, which is one of five (see ErrCorrupt) and
// means that nothing useful is stored. That the value is of another type than it
// was is found only as far as the codec finds it: JSON reads what it can. Give
// the functions of a changed type another config.Schema.
//
// A value that is nil or empty is a value. That a record exists makes the value
// exist, never its length.
//
// # Extending
//
// A format that has a package needs one line, by Pair; for it to have a name in
// texts, Register. An implementation of SerDe, Codec or Encoding is proven by
// package serdetest. Package storage takes a SerDe from here and does the rest.
//
// The models are py-memoize's SerDe and cachetory's serializers by URL.
package serde
