// Read CloudEvents, one a line, as a consumer of CDEvents does, and write for each "ok" or what is wrong with it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/cdevents/sdk-go/pkg/api"
	apiv05 "github.com/cdevents/sdk-go/pkg/api/v05"
	cloudevents "github.com/cloudevents/sdk-go/v2"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		if err := check(lines.Bytes()); err != nil {
			fmt.Printf("%q\n", err.Error())
		} else {
			fmt.Println("ok")
		}
	}
}

func check(line []byte) error {
	taken := cloudevents.NewEvent()
	if err := json.Unmarshal(line, &taken); err != nil {
		return fmt.Errorf("no CloudEvent: %w", err)
	}
	if err := taken.Validate(); err != nil {
		return fmt.Errorf("no valid CloudEvent: %w", err)
	}
	event, err := apiv05.NewFromJsonBytes(taken.Data())
	if err != nil {
		return fmt.Errorf("no CDEvent: %w", err)
	}
	// Renders it as the binding has it, which validates it by its schema first.
	bound, err := api.AsCloudEvent(event)
	if err != nil {
		return err
	}
	for _, pair := range [][2]string{
		{taken.ID(), bound.ID()},
		{taken.Source(), bound.Source()},
		{taken.Subject(), bound.Subject()},
		{taken.Type(), bound.Type()},
		{taken.DataContentType(), bound.DataContentType()},
	} {
		if pair[0] != pair[1] {
			return fmt.Errorf("the binding asks for %q, not %q", pair[1], pair[0])
		}
	}
	var sent, read any
	if err := json.Unmarshal(taken.Data(), &sent); err != nil {
		return err
	}
	if err := json.Unmarshal(bound.Data(), &read); err != nil {
		return err
	}
	if !reflect.DeepEqual(sent, read) {
		return fmt.Errorf("read as %s", bound.Data())
	}
	return nil
}
