// Package engine is the room that owns OPA: it builds bundles, opens them,
// judges inputs with them, runs their tests and says what is inside.
//
// Nothing foreign is interpreted before the pre-scan of package artifact has
// seen it, and nothing a policy does reaches a file, the network or the
// environment. Errors of OPA become faults in fault.go.
//
// A bundle is opened once and asked often: [OpenBundle] or [OpenDir] keep data
// as text with an index and modules as source, [Bundle.Eval] compiles what a
// query reaches, decodes what it reads, and remembers both.
package engine
