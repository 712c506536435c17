package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// memberEnv tells the program of these tests that it is a member, and which.
const memberEnv = "PERENNIAL_STATE_MEMBER"

// serveMember is what a process does that is a member: it takes an order a line,
// until there are no more.
func serveMember(text string, in io.Reader, out io.Writer) error {
	var s setup
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	m := newMember(s)
	orders, reports := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			if err == io.EOF {
				err = nil
			}
			return errors.Join(err, m.close())
		}
		if err := reports.Encode(m.do(o)); err != nil {
			return errors.Join(err, m.close())
		}
	}
}

// process is a member that is a process of its own. It is used by one goroutine.
type process struct {
	orders  *json.Encoder
	reports *json.Decoder
}

func newProcess(t testing.TB, s setup) *process {
	t.Helper()
	text, err := json.Marshal(s)
	noError(t, err)
	program, err := os.Executable()
	noError(t, err)
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), memberEnv+"="+string(text))
	var said bytes.Buffer
	cmd.Stderr = &said
	in, err := cmd.StdinPipe()
	noError(t, err)
	out, err := cmd.StdoutPipe()
	noError(t, err)
	noError(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // after which it ends
		if err := cmd.Wait(); err != nil {
			t.Errorf("a process ended with %v: %s", err, said.String())
		}
	})
	return &process{json.NewEncoder(in), json.NewDecoder(out)}
}

func (p *process) do(o order) (r report) {
	if err := errors.Join(p.orders.Encode(o), p.reports.Decode(&r)); err != nil {
		r.Became, r.Err = failed, fmt.Sprintf("the process does not answer: %v", err)
	}
	return r
}
