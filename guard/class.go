package guard

// Class says why a load is wanted. Loads of a class that is listed earlier go before those
// of a later one.
type Class uint8

// The classes.
const (
	Miss      Class = iota // a caller waits, and there is nothing to be given
	Forced                 // a caller waits for a new value: Refresh, RefreshMany
	Rescuable              // a caller waits, and can be given a value that has expired: see config.StaleIfError
	Refresh                // a stale value was served and is to be refreshed, nobody waits
	Warm                   // Warm loads it, before anybody asks

	// Classes is how many there are.
	Classes
)

var classNames = [...]string{Miss: "miss", Forced: "forced", Rescuable: "rescuable", Refresh: "refresh", Warm: "warm"}

// String is the class in lower case.
func (c Class) String() string {
	if int(c) < len(classNames) {
		return classNames[c]
	}
	return "unknown class"
}

// queues tells whether loads of the class wait for a place.
func (c Class) queues() bool { return c <= Forced }
