package policy

// shipped are the policies that judge every request, by the row of the table that covers it (context.grant). Their ids are
// the codes of the refusals. The first forbid of those that hold is the reason that is given.
const shipped = `
@id("granted")
permit (principal, action, resource)
when { context has grant };

@id("identity-unproven")
forbid (principal, action, resource)
unless { context.request.proven };

@id("destination-unknown")
forbid (principal, action, resource)
unless { context.request.destinationKnown };

@id("outside")
forbid (principal, action, resource)
when { context.request.outside }
unless { context has grant && context.grant.outside && !context.request.breakGlass };

@id("unresolved")
forbid (principal, action, resource)
when { context.request.unresolved };

@id("everybody")
forbid (principal, action, resource)
when { context.request.everybody }
unless { context has grant && context.grant.whose == "all" };

@id("ward")
forbid (principal, action, resource)
when { context has grant && context.grant.whose == "ward" }
unless { context.request.ownWards || context.request.breakGlass };

@id("outside-hours")
forbid (principal, action, resource)
unless { context.request.withinHours || context.request.breakGlass };

@id("approval-missing")
forbid (principal, action, resource)
when { context.request.approvalNeeded || (context has grant && context.grant.approval) }
unless { context.request.approved };
`

// schema is what own policies may speak of. They are checked against it before they are used.
const schema = `
entity Role;
entity Group;
entity Party in [Role, Group] = { role: String };

type Grant = {
	name: String,
	whose: String,
	outside: Bool,
	approval: Bool,
};

type Request = {
	proven: Bool,
	destinationKnown: Bool,
	outside: Bool,
	everybody: Bool,
	unresolved: Bool,
	ownWards: Bool,
	withinHours: Bool,
	approvalNeeded: Bool,
	approved: Bool,
	breakGlass: Bool,
};

type Context = {
	request: Request,
	grant?: Grant,
	patients: Long,
	unidentified: Long,
	detail: String,
	listener: String,
	site: String,
	wards: Set<String>,
	hour: Long,
	weekday: Long,
};

action "hl7", "dicom", "tcp";
action "hl7.send", "hl7.query" in ["hl7"]
	appliesTo { principal: Party, resource: Party, context: Context };
action "dicom.associate", "dicom.store", "dicom.find", "dicom.get", "dicom.move", "dicom.other" in ["dicom"]
	appliesTo { principal: Party, resource: Party, context: Context };
action "tcp.connect" in ["tcp"]
	appliesTo { principal: Party, resource: Party, context: Context };
`
