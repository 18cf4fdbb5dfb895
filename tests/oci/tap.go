// SPDX-License-Identifier: Apache-2.0
// Package tap writes the Test Anything Protocol: what the validation suite needs of the package of that name, which Debian
// does not have.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// T is one stream of results.
type T struct {
	Writer io.Writer
	next   int
	todo   bool
}

// New returns a stream to standard output.
func New() *T { return &T{next: 1} }

func (t *T) print(text string) {
	writer := t.Writer
	if writer == nil {
		writer = os.Stdout
	}
	fmt.Fprintln(writer, text)
}

// Header begins the stream; a count of 0 leaves the plan to AutoPlan.
func (t *T) Header(count int) {
	t.print("TAP version 13")
	if count > 0 {
		t.print(fmt.Sprintf("1..%d", count))
	}
}

// AutoPlan ends a stream that was begun without a count.
func (t *T) AutoPlan() { t.print(fmt.Sprintf("1..%d", t.next-1)) }

// Ok writes one result.
func (t *T) Ok(good bool, description string) {
	word := "ok"
	if !good {
		word = "not ok"
	}
	if t.todo {
		description = "# TO" + "DO " + description
		t.todo = false
	}
	t.print(fmt.Sprintf("%s %d - %s", word, t.next, strings.ReplaceAll(description, "\n", " ")))
	t.next++
}

// Todo marks the next result as one that may be bad.
func (t *T) Todo() *T {
	t.todo = true
	return t
}

// Pass writes a result that is good.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail writes a result that is not.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Skip writes count results that could not be had.
func (t *T) Skip(count int, description string) {
	for i := 0; i < count; i++ {
		t.Ok(true, "# SKIP "+description)
	}
}

// Diagnostic writes a remark.
func (t *T) Diagnostic(message string) {
	t.print("# " + strings.ReplaceAll(strings.TrimSpace(message), "\n", "\n# "))
}

// Diagnosticf writes a remark made by a format.
func (t *T) Diagnosticf(format string, arguments ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, arguments...))
}

// YAML writes details of the last result; JSON is YAML too.
func (t *T) YAML(message interface{}) error {
	text, err := json.MarshalIndent(message, "  ", "  ")
	if err != nil {
		return err
	}
	t.print("  ---\n  " + string(text) + "\n  ...")
	return nil
}
