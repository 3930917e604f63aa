package lsp

import "encoding/json"

// The types below are the parts of the Language Server Protocol 3.17 that the
// server speaks; names and JSON keys are the protocol's.

// Position is a place between two characters; both count from 0. What a character
// is depends on the encoding that was agreed on.
type Position struct {
	Line      int `json:"line"`
	Character int `json:"character"`
}

// Range is a part of a file, without its end.
type Range struct {
	Start Position `json:"start"`
	End   Position `json:"end"`
}

// Location is a range in some file.
type Location struct {
	URI   string `json:"uri"`
	Range Range  `json:"range"`
}

// TextEdit puts a text in place of a range.
type TextEdit struct {
	Range   Range  `json:"range"`
	NewText string `json:"newText"`
}

// The severities of a diagnostic.
const (
	SeverityError   = 1
	SeverityWarning = 2
)

// TagUnnecessary marks a diagnostic about what could go: editors fade it.
const TagUnnecessary = 1

// Diagnostic is a finding as editors show it.
type Diagnostic struct {
	Range    Range  `json:"range"`
	Severity int    `json:"severity"`
	Code     string `json:"code,omitempty"`
	Source   string `json:"source"`
	Message  string `json:"message"`
	Tags     []int  `json:"tags,omitempty"`
}

// The kinds of completions that are used.
const (
	KindMethod     = 2
	KindFunction   = 3
	KindField      = 5
	KindVariable   = 6
	KindClass      = 7
	KindModule     = 9
	KindValue      = 12
	KindEnum       = 13
	KindKeyword    = 14
	KindFile       = 17
	KindEnumMember = 20
	KindConstant   = 21
)

// The kinds of symbols that are used.
const (
	SymbolModule   = 2
	SymbolClass    = 5
	SymbolField    = 8
	SymbolEnum     = 10
	SymbolFunction = 12
	SymbolVariable = 13
	SymbolMember   = 22
	SymbolEvent    = 24
)

// Markup is Markdown text.
type Markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

// Markdown is a text in that format, nil for an empty one.
func Markdown(text string) *Markup {
	if text == "" {
		return nil
	}
	return &Markup{Kind: "markdown", Value: text}
}

// CompletionItem is one proposal.
type CompletionItem struct {
	Label         string    `json:"label"`
	Kind          int       `json:"kind,omitempty"`
	Detail        string    `json:"detail,omitempty"`
	Documentation *Markup   `json:"documentation,omitempty"`
	SortText      string    `json:"sortText,omitempty"`
	FilterText    string    `json:"filterText,omitempty"`
	TextEdit      *TextEdit `json:"textEdit,omitempty"`
}

// CompletionList is the answer to a request for completion.
type CompletionList struct {
	IsIncomplete bool             `json:"isIncomplete"`
	Items        []CompletionItem `json:"items"`
}

// Hover is what an editor shows of the thing under the pointer.
type Hover struct {
	Contents *Markup `json:"contents"`
	Range    *Range  `json:"range,omitempty"`
}

// SignatureHelp is the function whose call is being typed.
type SignatureHelp struct {
	Signatures      []SignatureInformation `json:"signatures"`
	ActiveSignature int                    `json:"activeSignature"`
	ActiveParameter *int                   `json:"activeParameter,omitempty"`
}

// SignatureInformation is one way to call it.
type SignatureInformation struct {
	Label         string                 `json:"label"`
	Documentation *Markup                `json:"documentation,omitempty"`
	Parameters    []ParameterInformation `json:"parameters"`
}

// ParameterInformation is one of its parameters; the label is a part of the
// signature's.
type ParameterInformation struct {
	Label         string  `json:"label"`
	Documentation *Markup `json:"documentation,omitempty"`
}

// DocumentSymbol is a thing that a file defines, and what is in it.
type DocumentSymbol struct {
	Name           string           `json:"name"`
	Detail         string           `json:"detail,omitempty"`
	Kind           int              `json:"kind"`
	Range          Range            `json:"range"`
	SelectionRange Range            `json:"selectionRange"`
	Children       []DocumentSymbol `json:"children,omitempty"`
}

// SymbolInformation is a thing that some file of the workspace defines.
type SymbolInformation struct {
	Name          string   `json:"name"`
	Kind          int      `json:"kind"`
	Location      Location `json:"location"`
	ContainerName string   `json:"containerName,omitempty"`
}

// CodeAction is a change that mends a diagnostic.
type CodeAction struct {
	Title       string         `json:"title"`
	Kind        string         `json:"kind"`
	Diagnostics []Diagnostic   `json:"diagnostics,omitempty"`
	IsPreferred bool           `json:"isPreferred,omitempty"`
	Edit        *WorkspaceEdit `json:"edit"`
}

// WorkspaceEdit are changes of files, by their URIs.
type WorkspaceEdit struct {
	Changes map[string][]TextEdit `json:"changes"`
}

// What clients send.
type (
	initializeParams struct {
		RootURI          string   `json:"rootUri"`
		WorkspaceFolders []folder `json:"workspaceFolders"`
		Capabilities     struct {
			General struct {
				PositionEncodings []string `json:"positionEncodings"`
			} `json:"general"`
		} `json:"capabilities"`
	}

	folder struct {
		URI  string `json:"uri"`
		Name string `json:"name"`
	}

	foldersParams struct {
		Event struct {
			Added   []folder `json:"added"`
			Removed []folder `json:"removed"`
		} `json:"event"`
	}

	documentItem struct {
		URI     string `json:"uri"`
		Version int    `json:"version"`
		Text    string `json:"text"`
	}

	openParams struct {
		TextDocument documentItem `json:"textDocument"`
	}

	changeParams struct {
		TextDocument   documentItem `json:"textDocument"`
		ContentChanges []change     `json:"contentChanges"`
	}

	change struct {
		Range *Range `json:"range"`
		Text  string `json:"text"`
	}

	documentParams struct {
		TextDocument documentItem `json:"textDocument"`
	}

	placeParams struct {
		TextDocument documentItem `json:"textDocument"`
		Position     Position     `json:"position"`
	}

	actionParams struct {
		TextDocument documentItem `json:"textDocument"`
		Range        Range        `json:"range"`
	}

	queryParams struct {
		Query string `json:"query"`
	}

	cancelParams struct {
		ID json.RawMessage `json:"id"`
	}

	publishParams struct {
		URI         string       `json:"uri"`
		Version     int          `json:"version"`
		Diagnostics []Diagnostic `json:"diagnostics"`
	}
)
