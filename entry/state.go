package entry

// State is where in its life an entry is at some instant.
type State uint8

// The states, in the order in which an entry passes through them.
const (
	Missing State = iota // there is no entry
	Fresh                // before update-after: served
	Stale                // from update-after on: served, and due for a refresh
	Expired              // from expires-after on: never served
)

var stateNames = [...]string{"missing", "fresh", "stale", "expired"}

// String is the state in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "invalid state"
}

// Servable tells whether an entry in this state may be served.
func (s State) Servable() bool { return s == Fresh || s == Stale }
