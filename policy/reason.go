package policy

import "chaperone/policy/budget"

// Reason is the stable code of a decision. Refusals carry it, and it is on record; codes are never renamed.
type Reason string

// Reasons of a permission.
const (
	Granted    Reason = "granted"
	BrokeGlass Reason = "break-glass"
	OwnPermit  Reason = "own-permit"
)

// Reasons of a refusal that this package gives.
const (
	PolicyError        Reason = "policy-error"
	RequestInvalid     Reason = "request-invalid"
	AttributeMissing   Reason = "attribute-missing"
	UnknownParty       Reason = "unknown-party"
	UnknownRole        Reason = "unknown-role"
	UnknownAction      Reason = "unknown-action"
	Forbidden          Reason = "forbidden"
	Unproven           Reason = "identity-unproven"
	DestinationUnknown Reason = "destination-unknown"
	Outside            Reason = "outside"
	NoGrant            Reason = "no-grant"
	Detail             Reason = "detail"
	Destination        Reason = "destination"
	Everybody          Reason = "everybody"
	Unresolved         Reason = "unresolved"
	Ward               Reason = "ward"
	OutsideHours       Reason = "outside-hours"
	ApprovalMissing    Reason = "approval-missing"
)

// Reasons of a refusal that a caller finds: in the budget, in what a connection claims.
const (
	Budget1h            Reason = "budget-1h"
	Budget24h           Reason = "budget-24h"
	Budget30d           Reason = "budget-30d"
	Budget365d          Reason = "budget-365d"
	ClockLeap           Reason = "clock-leap"
	IdentityTitle       Reason = "identity-title"
	IdentityApplication Reason = "identity-application"
	IdentityAddress     Reason = "identity-address"
)

// explanations has a sentence for each code, in the order in which docs/policy.md lists them.
var explanations = []struct {
	Reason Reason
	Text   string
}{
	{Granted, "A grant of the site file permits it."},
	{BrokeGlass, "The glass is broken for this party: it may now do what its role may do at all, for few patients and a short time."},
	{OwnPermit, "A permit in the site's own Cedar file allows it; no grant does."},
	{NoGrant, "No grant lets this party, its role or its groups do this."},
	{Detail, "The grant that comes nearest is for other kinds of messages or objects."},
	{Destination, "The data may not go to this receiver."},
	{DestinationUnknown, "It is not known whom the data would go to."},
	{Outside, "The data would leave the organisation, and no grant names this receiver outside."},
	{Everybody, "The query asks for everybody; this party may only ask for patients it names."},
	{Unresolved, "It could not be found out whose records would be delivered."},
	{Ward, "Not all of the patients are known to be on a ward of this party."},
	{OutsideHours, "The party may not do this at this hour."},
	{ApprovalMissing, "Somebody must approve this use first."},
	{Budget1h, "Too many different patients within an hour."},
	{Budget24h, "Too many different patients within a day."},
	{Budget30d, "Too many different patients within 30 days."},
	{Budget365d, "Too many different patients within a year."},
	{ClockLeap, "The clock leapt forward, so that it is not known how many patients were delivered lately."},
	{Unproven, "The party did not prove who it is with a certificate."},
	{IdentityTitle, "The party calls itself by an AE title that is not its own."},
	{IdentityApplication, "The party calls itself by an application or facility that is not its own."},
	{IdentityAddress, "The party connects from an address that is not its own."},
	{UnknownParty, "The party is not in the site file."},
	{UnknownRole, "The role or a group of the party is not what the site file says."},
	{UnknownAction, "This kind of request is not known."},
	{Forbidden, "A forbid in the site's own Cedar file refuses it."},
	{AttributeMissing, "The request lacks something that is needed to decide."},
	{RequestInvalid, "The request contradicts itself."},
	{PolicyError, "The policy could not be evaluated; whatever cannot be decided is refused."},
}

// Explain says in one sentence for people what a reason means; "" for one that does not exist.
func Explain(r Reason) string {
	for _, e := range explanations {
		if e.Reason == r {
			return e.Text
		}
	}
	return ""
}

// Reasons lists all codes.
func Reasons() []Reason {
	list := make([]Reason, len(explanations))
	for i, e := range explanations {
		list[i] = e.Reason
	}
	return list
}

// BudgetReason is the code of a refused charge.
func BudgetReason(over *budget.Over) Reason {
	switch over.Cause {
	case budget.Exceeded:
		return windowReason(over.Window)
	case budget.Leapt:
		return ClockLeap
	}
	return RequestInvalid
}

func windowReason(w budget.Window) Reason {
	switch w {
	case budget.Hour:
		return Budget1h
	case budget.Day:
		return Budget24h
	case budget.Month:
		return Budget30d
	}
	return Budget365d
}
