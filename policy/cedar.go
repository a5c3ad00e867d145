package policy

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	cedar "github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	schemas "github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"
)

// An own file is bounded, because the parser and the checks are recursive, and a stack that overflows cannot be recovered
// from; what they say about a deep file grows with its square.
const (
	maxCedar = 64 << 10
	maxDeep  = 64
	maxText  = 300 // of a problem
)

// contextAttributes are those that are made only if an own file mentions them.
var contextAttributes = []string{"patients", "unidentified", "detail", "listener", "site", "wards", "hour", "weekday"}

// newJudge reads and checks the policies. What is shipped goes through the same checks.
func newJudge(o Options, site *directory) (j judge, problems, doubts []Problem) {
	l := loader{site: site}
	var s schemas.Schema
	err := s.UnmarshalCedar([]byte(schema))
	if err == nil {
		resolved, resolveErr := s.Resolve()
		if err = resolveErr; err == nil {
			l.validator = validate.New(resolved)
		}
	}
	if err != nil {
		return judge{}, []Problem{{Text: "the shipped schema: " + err.Error()}}, nil
	}
	for _, file := range sortedNames(o.Cedar) {
		l.load(file, o.Cedar[file], true)
	}
	l.load("shipped", []byte(shipped), false)
	j = judge{
		policies: l.policies, entities: entitiesOf(o.Parties), asked: map[string]bool{},
		requests: &[1 << facts]atomic.Pointer[cedar.Record]{},
	}
	for _, name := range contextAttributes {
		if l.everything || l.mentioned[name] {
			j.asked[name] = true
		}
	}
	j.shipped = true
	for _, p := range l.policies {
		j.permits = j.permits || p.own && p.cedar.Effect() == cedar.Permit
		j.shipped = j.shipped && !p.own
	}
	return j, l.problems, l.doubts
}

// loader collects policies, what they mention, and what is wrong with them.
type loader struct {
	site       *directory
	validator  *validate.Validator
	policies   policies
	mentioned  map[string]bool
	everything bool // some policy uses the context as a whole
	problems   []Problem
	doubts     []Problem // what is allowed, and may be a slip
}

func (l *loader) wrong(file string, line int, text string) {
	l.problems = append(l.problems, placedAt(file, line, text))
}

func (l *loader) doubt(file string, line int, text string) {
	l.doubts = append(l.doubts, placedAt(file, line, "warning: "+text))
}

func placedAt(file string, line int, text string) Problem {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return Problem{File: file, Line: line, Text: text}
}

func (l *loader) load(file string, text []byte, own bool) {
	if len(text) > maxCedar {
		l.wrong(file, 1, fmt.Sprintf("it is longer than %d bytes", maxCedar))
		return
	}
	if line, deep := tooDeep(text); deep {
		l.wrong(file, line, fmt.Sprintf("it is nested more than %d deep", maxDeep))
		return
	}
	list, err := cedar.NewPolicyListFromBytes(file, text)
	if err != nil {
		line, what := syntaxOf(err, text)
		l.wrong(file, line, what)
		return
	}
	for i, p := range list {
		line, end := p.Position().Line, len(text)
		if i+1 < len(list) {
			end = list[i+1].Position().Offset
		}
		tree := (*ast.Policy)(p.AST())
		if err := l.validator.Policy("", tree); err != nil {
			l.wrong(file, line, oneLine(err))
			continue
		}
		l.names(file, line, text[p.Position().Offset:end], tree)
		id, hint := p.Annotations()["id"], p.Annotations()["hint"]
		if !own {
			l.policies = append(l.policies, policy{id: cedar.PolicyID(id), cedar: p})
			continue
		}
		place := fmt.Sprintf("%s:%d", file, line)
		advice := "the policy at " + place
		if hint != "" {
			advice += " says: " + string(hint)
		}
		// a place is the id, because two files may use one @id; a shipped id has no colon
		l.policies = append(l.policies, policy{id: cedar.PolicyID(fmt.Sprintf("%s:%d", place, p.Position().Column)), cedar: p, own: true, advice: advice})
	}
}

// tooDeep gives the line where brackets are nested too deep. Those in strings and remarks count too: that is simple, and
// nobody has so many.
func tooDeep(text []byte) (line int, deep bool) {
	line = 1
	depth := 0
	for _, c := range text {
		switch c {
		case '\n':
			line++
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth--
		}
		if depth > maxDeep {
			return line, true
		}
	}
	return 0, false
}

// names checks that every party, role and group of a policy exists, because a forbid for a name that nobody has forbids
// nothing; and notes what the policy mentions. source is the policy as it is written, from that line on.
func (l *loader) names(file string, line int, source []byte, p *ast.Policy) {
	known := map[cedar.EntityType]map[string]bool{
		"Party": l.site.names, "Role": l.site.roles, "Group": l.site.groups, "Action": l.site.actions,
	}
	check := func(uid cedar.EntityUID) {
		if !known[uid.Type][string(uid.ID)] {
			l.wrong(file, line, fmt.Sprintf("there is no %s", uid))
		}
	}
	kind := func(of cedar.EntityType) {
		if known[of] == nil {
			l.wrong(file, line, fmt.Sprintf("there is no type %s", of))
		}
	}
	for _, scope := range []ast.IsScopeNode{p.Principal, p.Resource} {
		switch scope := scope.(type) {
		case ast.ScopeTypeEq:
			check(scope.Entity)
		case ast.ScopeTypeIn:
			check(scope.Entity)
		case ast.ScopeTypeIsIn:
			check(scope.Entity)
		}
	}
	if l.mentioned == nil {
		l.mentioned = map[string]bool{}
	}
	whole := 0 // uses of the context that are not for one attribute
	attribute := func(of ast.IsNode, name string) {
		l.mentioned[name] = true
		if isContext(of) {
			whole--
		}
	}
	doubted := map[string]bool{}
	for _, condition := range p.Conditions {
		ast.Inspect(ast.NewNode(condition.Body), func(n ast.IsNode) bool {
			for _, ward := range wardsNamed(n) {
				if !l.site.groups[ward] && !doubted[ward] {
					doubted[ward] = true
					l.doubt(file, lineOf(source, line, ward), fmt.Sprintf("no party has the group %q, which a policy takes for a ward; is it called so, letter for letter?", ward))
				}
			}
			switch n := n.(type) {
			case ast.NodeTypeAccess:
				attribute(n.Arg, string(n.Value))
			case ast.NodeTypeHas:
				attribute(n.Arg, string(n.Value))
			case ast.NodeTypeIs:
				kind(n.EntityType)
			case ast.NodeTypeIsIn:
				kind(n.EntityType)
			case ast.NodeTypeVariable:
				if isContext(n) {
					whole++
				}
			case ast.NodeValue:
				l.value(n.Value, check)
			}
			return true
		})
	}
	l.everything = l.everything || whole > 0
}

// lineOf gives the line of a text in a policy's source: cedar-go knows the places of policies alone. Comments and annotations do not
// count. One that is written with escapes counts as being on the first line. Where the same text stands before it and is compared with
// something else, that line is given: it is near.
func lineOf(source []byte, first int, text string) int {
	for _, at := range passages.FindAllIndex(source, -1) {
		if string(source[at[0]:at[1]]) == `"`+text+`"` {
			return first + bytes.Count(source[:at[0]], []byte("\n"))
		}
	}
	return first
}

// passages are comments, annotations and texts of Cedar, each as a whole.
var passages = regexp.MustCompile(`//.*|@\w+\s*\(\s*"(?:[^"\\]|\\.)*"\s*\)|"(?:[^"\\]|\\.)*"`)

func isContext(n ast.IsNode) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && v.Name == "context"
}

func (l *loader) value(v cedar.Value, check func(cedar.EntityUID)) {
	switch v := v.(type) {
	case cedar.EntityUID:
		check(v)
	case cedar.Set:
		for member := range v.All() {
			l.value(member, check)
		}
	}
}

// wardsNamed gives the names that a condition compares the wards of the patients with.
func wardsNamed(n ast.IsNode) []string {
	var sides ast.BinaryNode
	switch n := n.(type) {
	case ast.NodeTypeContains:
		sides = n.BinaryNode
	case ast.NodeTypeContainsAny:
		sides = n.BinaryNode
	case ast.NodeTypeContainsAll:
		sides = n.BinaryNode
	case ast.NodeTypeEquals:
		sides = n.BinaryNode
	case ast.NodeTypeNotEquals:
		sides = n.BinaryNode
	}
	switch {
	case isWards(sides.Left):
		return textsOf(sides.Right)
	case isWards(sides.Right):
		return textsOf(sides.Left)
	}
	return nil
}

func isWards(n ast.IsNode) bool {
	a, ok := n.(ast.NodeTypeAccess)
	return ok && isContext(a.Arg) && a.Value == "wards"
}

// textsOf gives a text, or the texts of a set.
func textsOf(n ast.IsNode) (texts []string) {
	var take func(v cedar.Value)
	take = func(v cedar.Value) {
		switch v := v.(type) {
		case cedar.String:
			texts = append(texts, string(v))
		case cedar.Set:
			for member := range v.All() {
				take(member)
			}
		}
	}
	switch n := n.(type) {
	case ast.NodeValue:
		take(n.Value)
	case ast.NodeTypeSet:
		for _, element := range n.Elements {
			texts = append(texts, textsOf(element)...)
		}
	}
	slices.Sort(texts) // a set has no order
	return texts
}

// placed is where the parser says that something is, and that it calls a file that it was not told of.
var placed = regexp.MustCompile(`^(?:parser error: )?(?:parse error at )?<input>:(\d+):(\d+):? `)

// syntaxOf gives the line of a mistake, and what is wrong there. What is missing at the end is said of the last line that has text.
func syntaxOf(err error, text []byte) (line int, what string) {
	what = err.Error()
	at := placed.FindStringSubmatch(what)
	if at == nil {
		return 1, "syntax: " + what
	}
	what = what[len(at[0]):]
	line, _ = strconv.Atoi(at[1]) // digits; of very many it is the last line
	if last := 1 + bytes.Count(bytes.TrimRight(text, " \t\r\n"), []byte("\n")); line > last {
		return last, "syntax, at the end: " + what
	}
	return line, "syntax, column " + at[2] + ": " + what
}

func oneLine(err error) string {
	var many interface{ Unwrap() []error }
	if errors.As(err, &many) {
		var texts []string
		for _, e := range many.Unwrap() {
			texts = append(texts, e.Error())
		}
		return strings.Join(texts, "; ")
	}
	return err.Error()
}
