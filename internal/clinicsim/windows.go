package clinicsim

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"
)

// Channels and providers of Windows logs.
const (
	channelSecurity = "Security"
	channelSystem   = "System"
	auditing        = "Microsoft-Windows-Security-Auditing"
	auditingGUID    = "{54849625-5478-4994-A5BA-3E3B0328C30D}"
	auditSuccess    = 0x8020000000000000
	auditFailure    = 0x8010000000000000
)

// Kinds of logons (event 4624): how somebody came in.
const (
	logonNetwork = 3 // file sharing, and the proof that network level authentication asks for
	logonService = 5
	logonDesktop = 10
)

// journal holds the logs of the Windows computers whose logs were exported.
type journal struct {
	hosts   []Host
	begin   time.Time
	events  map[string][]WinEvent // by file name without its ending
	logonID uint64
}

func newJournal(begin time.Time, hosts ...Host) *journal {
	return &journal{hosts: hosts, begin: begin, events: map[string][]WinEvent{}, logonID: 0x3A1C0}
}

// logFile names the file of a computer's log.
func logFile(h Host, channel string) string { return h.Name + "-" + channel }

// add enters an event into the log of a computer, if that computer's logs were exported.
func (j *journal) add(h Host, at time.Duration, e WinEvent) {
	if !slices.Contains(j.hosts, h) {
		return
	}
	e.Time, e.Computer = j.begin.Add(at), computer(h)
	e.Process, e.Thread = 612, 640+uint32(e.ID%7)*4
	name := logFile(h, e.Channel)
	j.events[name] = append(j.events[name], e)
}

// cut takes all events of a log before a time away into an earlier export.
func (j *journal) cut(h Host, channel string, at time.Duration) {
	name := logFile(h, channel)
	when := j.begin.Add(at)
	var before, after []WinEvent
	for _, e := range j.events[name] {
		if e.Time.Before(when) {
			before = append(before, e)
		} else {
			after = append(after, e)
		}
	}
	j.events[name+"-before"], j.events[name] = before, after
}

// files gives the logs as files.
func (j *journal) files() (map[string][]byte, error) {
	all := map[string][]byte{}
	for name, events := range j.events {
		slices.SortStableFunc(events, func(a, b WinEvent) int { return a.Time.Compare(b.Time) })
		var b bytes.Buffer
		if err := WriteEventLog(&b, events); err != nil {
			return nil, err
		}
		all["logs/"+name+".evtx"] = b.Bytes()
	}
	return all, nil
}

// nextLogon gives a new logon's number as Windows writes it.
func (j *journal) nextLogon() string {
	j.logonID += 0x1F3
	return fmt.Sprintf("0x%x", j.logonID)
}

// sid gives an account's identifier.
func sid(account string) string {
	digest := fnv.New32a()
	_, _ = digest.Write([]byte(strings.ToLower(account))) // it takes everything
	return fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1000+digest.Sum32()%5000)
}

func audit(id, task uint16, keywords uint64, data ...WinField) WinEvent {
	return WinEvent{ID: id, Task: task, Keywords: keywords, Provider: auditing, ProviderGUID: auditingGUID, Channel: channelSecurity, Data: data}
}

// subject is who did something: an account and its logon.
func subject(account, id string) []WinField {
	if account == "" {
		return []WinField{{"SubjectUserSid", "S-1-0-0"}, {"SubjectUserName", "-"}, {"SubjectDomainName", "-"}, {"SubjectLogonId", "0x0"}}
	}
	return []WinField{{"SubjectUserSid", sid(account)}, {"SubjectUserName", account}, {"SubjectDomainName", "CLINIC"}, {"SubjectLogonId", id}}
}

// origin is where a logon comes from.
type origin struct {
	address, workstation string
	port                 uint16
}

func (f *flow) origin(workstation string) origin {
	return origin{f.addr[FromClient].String(), workstation, f.port[FromClient]}
}

// logon is event 4624. It gives the logon's number.
func (j *journal) logon(h Host, at time.Duration, account string, kind int, from origin) string {
	id := j.nextLogon()
	process, pack, lm := "NtLmSsp ", "NTLM", "NTLM V2"
	switch kind {
	case logonDesktop:
		process, pack, lm = "User32 ", "Negotiate", "-"
	case logonService:
		process, pack, lm = "Advapi  ", "Negotiate", "-"
	}
	data := append(subject("", ""),
		WinField{"TargetUserSid", sid(account)}, WinField{"TargetUserName", account}, WinField{"TargetDomainName", "CLINIC"},
		WinField{"TargetLogonId", id}, WinField{"LogonType", fmt.Sprint(kind)}, WinField{"LogonProcessName", process},
		WinField{"AuthenticationPackageName", pack}, WinField{"WorkstationName", from.workstation},
		WinField{"LogonGuid", "{00000000-0000-0000-0000-000000000000}"}, WinField{"TransmittedServices", "-"},
		WinField{"LmPackageName", lm}, WinField{"KeyLength", "128"}, WinField{"ProcessId", "0x0"}, WinField{"ProcessName", "-"},
		WinField{"IpAddress", from.address}, WinField{"IpPort", fmt.Sprint(from.port)}, WinField{"ImpersonationLevel", "%%1833"})
	j.add(h, at, audit(4624, 12544, auditSuccess, data...))
	return id
}

// failed is event 4625: unknown says that there is no such account.
func (j *journal) failed(h Host, at time.Duration, account string, unknown bool, from origin) {
	sub := "0xc000006a"
	if unknown {
		sub = "0xc0000064"
	}
	data := append(subject("", ""),
		WinField{"TargetUserSid", "S-1-0-0"}, WinField{"TargetUserName", account}, WinField{"TargetDomainName", ""},
		WinField{"Status", "0xc000006d"}, WinField{"FailureReason", "%%2313"}, WinField{"SubStatus", sub},
		WinField{"LogonType", fmt.Sprint(logonNetwork)}, WinField{"LogonProcessName", "NtLmSsp "},
		WinField{"AuthenticationPackageName", "NTLM"}, WinField{"WorkstationName", from.workstation},
		WinField{"TransmittedServices", "-"}, WinField{"LmPackageName", "-"}, WinField{"KeyLength", "0"},
		WinField{"ProcessId", "0x0"}, WinField{"ProcessName", "-"}, WinField{"IpAddress", from.address}, WinField{"IpPort", fmt.Sprint(from.port)})
	j.add(h, at, audit(4625, 12544, auditFailure, data...))
}

// logoff is event 4634.
func (j *journal) logoff(h Host, at time.Duration, account, id string, kind int) {
	j.add(h, at, audit(4634, 12545, auditSuccess, WinField{"TargetUserSid", sid(account)}, WinField{"TargetUserName", account},
		WinField{"TargetDomainName", "CLINIC"}, WinField{"TargetLogonId", id}, WinField{"LogonType", fmt.Sprint(kind)}))
}

// privileged is event 4672: the logon has an administrator's rights.
func (j *journal) privileged(h Host, at time.Duration, account, id string) {
	const rights = "SeSecurityPrivilege\r\n\t\t\tSeBackupPrivilege\r\n\t\t\tSeRestorePrivilege\r\n\t\t\tSeTakeOwnershipPrivilege\r\n\t\t\tSeDebugPrivilege\r\n\t\t\tSeLoadDriverPrivilege\r\n\t\t\tSeImpersonatePrivilege"
	j.add(h, at, audit(4672, 12548, auditSuccess, append(subject(account, id), WinField{"PrivilegeList", rights})...))
}

// created is event 4720, a new account, and 4722, its first use.
func (j *journal) created(h Host, at time.Duration, name, by, id string) {
	target := []WinField{{"TargetUserName", name}, {"TargetDomainName", "CLINIC"}, {"TargetSid", sid(name)}}
	data := append(append(target[:3:3], subject(by, id)...), WinField{"PrivilegeList", "-"}, WinField{"SamAccountName", name},
		WinField{"DisplayName", "-"}, WinField{"UserPrincipalName", "-"}, WinField{"PrimaryGroupId", "513"}, WinField{"UserAccountControl", "%%2080"})
	j.add(h, at, audit(4720, 13824, auditSuccess, data...))
	j.add(h, at+40*time.Millisecond, audit(4722, 13824, auditSuccess, append(target[:3:3], subject(by, id)...)...))
}

// joined is event 4732: an account becomes a member of a group.
func (j *journal) joined(h Host, at time.Duration, name, group, by, id string) {
	j.add(h, at, audit(4732, 13826, auditSuccess, append([]WinField{{"MemberName", "-"}, {"MemberSid", sid(name)},
		{"TargetUserName", group}, {"TargetDomainName", "Builtin"}, {"TargetSid", "S-1-5-32-544"}}, append(subject(by, id), WinField{"PrivilegeList", "-"})...)...))
}

// cleared is event 1102: somebody emptied the Security log.
func (j *journal) cleared(h Host, at time.Duration, by, id string) {
	j.add(h, at, WinEvent{ID: 1102, Level: 4, Task: 104, Keywords: 0x4020000000000000, Provider: "Microsoft-Windows-Eventlog",
		ProviderGUID: "{FC65DDD8-D6EF-4962-83D5-6E5CFE9CE148}", Channel: channelSecurity, UserData: "LogFileCleared", Data: subject(by, id)})
}

// service is event 7045: a service was installed.
func (j *journal) service(h Host, at time.Duration, name, path, by string) {
	e := WinEvent{ID: 7045, Level: 4, Keywords: 0x8080000000000000, Provider: "Service Control Manager",
		ProviderGUID: "{555908D1-A6D7-4695-8E1E-26931D2012F4}", Channel: channelSystem, Data: []WinField{{"ServiceName", name}, {"ImagePath", path},
			{"ServiceType", "user mode service"}, {"StartType", "auto start"}, {"AccountName", "LocalSystem"}}}
	if by != "" {
		e.User = sid(by)
	}
	j.add(h, at, e)
}

// running is event 7036: a service began or ended.
func (j *journal) running(h Host, at time.Duration, name, state string) {
	j.add(h, at, WinEvent{ID: 7036, Level: 4, Keywords: 0x8080000000000000, Provider: "Service Control Manager",
		ProviderGUID: "{555908D1-A6D7-4695-8E1E-26931D2012F4}", Channel: channelSystem, Data: []WinField{{"param1", name}, {"param2", state}}})
}
