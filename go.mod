module github.com/perennial-go/perennial

go 1.25.0

// Requirements stand at the lowest versions that work, so that nobody who
// imports this module is forced up.
require github.com/benbjohnson/clock v1.3.5

require golang.org/x/sync v0.12.0

require go.uber.org/goleak v1.3.0
