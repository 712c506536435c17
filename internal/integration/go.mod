module github.com/perennial-go/perennial/internal/integration

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/perennial-go/perennial v0.0.0
	go.uber.org/goleak v1.3.0
)

require (
	github.com/benbjohnson/clock v1.3.5 // indirect
	golang.org/x/sync v0.12.0 // indirect
)

replace github.com/perennial-go/perennial => ../..
