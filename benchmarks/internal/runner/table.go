package runner

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Table is a table in Markdown.
type Table struct {
	Head []string
	rows [][]string
}

// Add adds a row.
func (t *Table) Add(cells ...string) { t.rows = append(t.rows, cells) }

// Print writes the table to standard output.
func (t *Table) Print() { t.Write(os.Stdout) }

// Write writes the table.
func (t *Table) Write(w io.Writer) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(t.Head, " | "), strings.Repeat("---|", len(t.Head)))
	for _, row := range t.rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
	}
}

// Heading begins a part of the output.
func Heading(name, about string) { fmt.Printf("\n### %s: %s\n\n", name, about) }

// Count is a whole number with commas: 1,000,000.
func Count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
