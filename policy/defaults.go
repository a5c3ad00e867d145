package policy

import "chaperone/policy/budget"

// ModalityWorklist is the SOP class of worklist queries (PS3.4 K.5).
const ModalityWorklist = "1.2.840.10008.5.1.4.31"

// Defaults are the grants that a site starts with: what systems of each role do every day and nothing else. Research has
// none: it gets what is written for it.
func Defaults() []Grant {
	asked := budget.Limits{budget.Hour: 60, budget.Day: 200}
	return []Grant{
		{
			Name: "modalities store images", Roles: []string{"modality"}, Actions: []Action{Associate, Store},
			To: []string{"role:pacs"},
		},
		{
			// a worklist query names a day and a device, and no patient
			Name: "modalities ask for their worklist", Roles: []string{"modality"}, Actions: []Action{Find},
			Details: []string{ModalityWorklist}, To: []string{Self}, Whose: All, Budget: budget.Limits{budget.Day: 300},
		},
		{
			Name: "archives deliver images", Roles: []string{"pacs"}, Actions: []Action{Associate, Store},
			To: []string{"role:pacs", "role:viewer"},
		},
		{
			Name: "viewers look", Roles: []string{"viewer"}, Actions: []Action{Associate, Find, Get, Move},
			To: []string{Self}, Whose: Named, Budget: asked,
		},
		{
			Name: "engines pass messages on", Roles: []string{"engine"}, Actions: []Action{Send},
		},
		{
			Name: "laboratories send results", Roles: []string{"lab"}, Actions: []Action{Send}, Details: []string{"ORU^*"},
		},
		{
			Name: "vendors, when approved", Roles: []string{"vendor"}, Actions: []Action{Connect}, Approval: true,
			Budget: budget.Limits{budget.Hour: 10, budget.Day: 20},
		},
	}
}
