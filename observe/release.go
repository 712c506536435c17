package observe

// ReleaseCause says why a value left a storage in memory: see config.OnRelease.
type ReleaseCause uint8

// The causes of a release.
const (
	ReleaseEvicted     ReleaseCause = iota + 1 // the eviction strategy named it
	ReleaseExpired                             // its life was over
	ReleaseReplaced                            // another value took its place: a load's, a Set's or a Restore's
	ReleaseInvalidated                         // Invalidate or InvalidateAll
	ReleaseCleared                             // a change of the configuration emptied its storage, or put another in its place
	ReleaseClosed                              // the function was closed
	ReleaseNeverStored                         // it never was in the storage: something newer came first, it was not to be kept, or it could not be
)

var releaseNames = [...]string{
	ReleaseEvicted: "evicted", ReleaseExpired: "expired", ReleaseReplaced: "replaced", ReleaseInvalidated: "invalidated",
	ReleaseCleared: "cleared", ReleaseClosed: "closed", ReleaseNeverStored: "never stored",
}

// String is the cause in lower-case words.
func (c ReleaseCause) String() string {
	if int(c) < len(releaseNames) && releaseNames[c] != "" {
		return releaseNames[c]
	}
	return "unknown cause"
}
