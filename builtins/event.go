package builtins

import "time"

// Event is a step of a verb's work, for progress and journals. Only the fields
// that the state needs are set.
type Event struct {
	Time    time.Time     `json:"time"`
	State   State         `json:"state"`
	Verb    string        `json:"verb,omitempty"`    // "push", "pull", "copy"
	Subject string        `json:"subject,omitempty"` // the reference, host or path at work
	Digest  string        `json:"digest,omitempty"`  // of the blob in transfer
	Done    int64         `json:"done,omitempty"`    // bytes so far
	Total   int64         `json:"total,omitempty"`   // bytes in all
	Message string        `json:"message,omitempty"` // for people
	Delay   time.Duration `json:"delay,omitempty"`   // before the next try
	Step    *Step         `json:"-"`                 // that began or ended
}

// State says what an [Event] reports.
type State string

// The states of a transfer, then those that speak to people.
const (
	Started  State = "started"
	Progress State = "progress"
	Done     State = "done"
	Present  State = "exists" // the other side had it already
	Failed   State = "failed"
	Retrying State = "retrying" // waiting before another try, because of Message
	Waiting  State = "waiting"  // for a lock, held by Message
	Warning  State = "warning"
	Noted    State = "noted"   // done besides what was asked for
	Printed  State = "printed" // by a policy's print()

	// Counting reports a long list on its way: Done repositories of Subject, a
	// registry, are read; Total is how many there are, 0 as long as that is not known.
	Counting State = "counting"

	// Began and Ended report a Step, one that changes nothing included.
	Began State = "began"
	Ended State = "ended"
)

// Events receives events from any goroutine. A nil Events drops them.
type Events func(Event)

func (e Events) send(event Event) {
	if e == nil {
		return
	}
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	e(event)
}
