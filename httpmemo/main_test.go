package httpmemo_test

import (
	"io"
	"log"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// silent is the log of servers whose handlers panic.
var silent = log.New(io.Discard, "", 0)
