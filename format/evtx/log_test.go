package evtx

import (
	"bytes"
	"testing"
	"time"

	"chaperone/internal/clinicsim"
)

// events are those of a break-in, over and over: guesses, a logon, a service, a cleared log.
func events(n int) []clinicsim.WinEvent {
	at := time.Date(2026, 11, 8, 1, 2, 3, 456789100, time.UTC)
	kinds := []clinicsim.WinEvent{
		{ID: 4625, Channel: "Security", Keywords: 0x8010000000000000, Data: fields("SubjectUserSid", "S-1-0-0",
			"SubjectUserName", "-", "SubjectLogonId", "0x0", "TargetUserName", "Ärztin 🩺", "TargetDomainName", "",
			"Status", "0xc000006d", "FailureReason", "%%2313", "SubStatus", "0xc000006a", "LogonType", "3",
			"LogonProcessName", "NtLmSsp ", "AuthenticationPackageName", "NTLM", "WorkstationName", "kali<&>",
			"ProcessName", "-", "IpAddress", "203.0.113.66", "IpPort", "0")},
		{ID: 4624, Channel: "Security", Keywords: 0x8020000000000000, Version: 2, Data: fields(
			"TargetUserSid", "S-1-5-21-1111111111-2222222222-3333333333-500", "TargetUserName", "Administrator",
			"TargetDomainName", "PRAXIS", "TargetLogonId", "0x3e71a2b3", "LogonType", "10",
			"LogonGuid", "{00000000-0000-0000-0000-00000000002A}", "IpAddress", "203.0.113.66", "IpPort", "51544")},
		{ID: 1149, Channel: "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational", Level: 4,
			User: "S-1-5-20", UserData: "EventXML", Data: fields("Param1", "Administrator", "Param2", "", "Param3", "203.0.113.66")},
		{ID: 1102, Channel: "Security", Level: 4, UserData: "LogFileCleared", Data: fields("SubjectUserSid", "S-1-5-18",
			"SubjectUserName", "Administrator", "SubjectLogonId", "0x3e71a2b3")},
	}
	all := make([]clinicsim.WinEvent, n)
	for i := range all {
		all[i] = kinds[i%len(kinds)]
		all[i].Provider, all[i].ProviderGUID = "Microsoft-Windows-Security-Auditing", "{54849625-5478-4994-A5BA-3E3B0328C30D}"
		all[i].Computer = "PRAXIS-SRV.praxis.example"
		all[i].Time = at.Add(time.Duration(i) * 1234567 * 100)
	}
	return all
}

// fields are pairs of a name and a value.
func fields(pairs ...string) (all []clinicsim.WinField) {
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, clinicsim.WinField{Name: pairs[i], Value: pairs[i+1]})
	}
	return all
}

// written gives the log of n events.
func written(t testing.TB, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := clinicsim.WriteEventLog(&b, events(n)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
