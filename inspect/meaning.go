package inspect

// Meaning says in plain words what a kind of event is, "" when that is not known.
func (k Kind) Meaning() string { return meanings[k.Channel][k.ID] }

// Channels as Windows names them.
const (
	security      = "Security"
	system        = "System"
	powershell    = "Microsoft-Windows-PowerShell/Operational"
	remoteSession = "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"
	remoteNetwork = "Microsoft-Windows-TerminalServices-RemoteConnectionManager/Operational"
	remoteCore    = "Microsoft-Windows-RemoteDesktopServices-RdpCoreTS/Operational"
	sysmon        = "Microsoft-Windows-Sysmon/Operational"
	taskScheduler = "Microsoft-Windows-TaskScheduler/Operational"
	defender      = "Microsoft-Windows-Windows Defender/Operational"
	wmi           = "Microsoft-Windows-WMI-Activity/Operational"
)

// meanings are those of Microsoft's event documentation (learn.microsoft.com, "Appendix L: Events to Monitor", and the
// Sysmon page of Sysinternals), in our words.
var meanings = map[string]map[uint16]string{
	security: {
		1100: "the event log service stopped",
		1102: "the security log was cleared: what was before is gone",
		4616: "the clock was changed",
		4624: "somebody logged on (LogonType 10 remote desktop, 3 network, 2 at the machine)",
		4625: "a logon failed",
		4634: "a session ended",
		4647: "somebody logged off",
		4648: "a logon with another account's name and password",
		4656: "access to a file or object was asked for",
		4663: "a file or object was accessed",
		4672: "a logon with administrator's rights",
		4688: "a program was started",
		4689: "a program ended",
		4697: "a service was installed",
		4698: "a scheduled task was made",
		4699: "a scheduled task was deleted",
		4700: "a scheduled task was switched on",
		4702: "a scheduled task was changed",
		4719: "what is recorded in this log was changed",
		4720: "an account was made",
		4722: "an account was enabled",
		4723: "somebody tried to change the own password",
		4724: "somebody tried to set another account's password",
		4725: "an account was disabled",
		4726: "an account was deleted",
		4728: "somebody was added to a global group",
		4732: "somebody was added to a local group, such as Administrators",
		4733: "somebody was removed from a local group",
		4738: "an account was changed",
		4740: "an account was locked after wrong passwords",
		4756: "somebody was added to a universal group",
		4768: "a Kerberos ticket was asked for (domain logon)",
		4769: "a Kerberos ticket for a service was asked for",
		4771: "a Kerberos logon failed",
		4776: "name and password were checked (NTLM)",
		4778: "a remote session was taken up again",
		4779: "a remote session was left without logging off",
		5140: "a shared folder was reached",
		5145: "access to a file of a shared folder was checked",
		5156: "a network connection was allowed",
	},
	system: {
		104:  "a log was cleared: what was before is gone",
		1074: "the machine was shut down or restarted by somebody",
		6005: "the event log service started",
		6006: "the event log service stopped",
		6008: "the machine went down unexpectedly",
		7034: "a service ended unexpectedly",
		7036: "a service started or stopped",
		7040: "a service's way of starting was changed",
		7045: "a service was installed",
	},
	remoteNetwork: {
		261:  "the remote desktop got a connection",
		1149: "somebody reached the remote desktop; alone it is no proof of a logon",
	},
	remoteSession: {
		21: "a session began: somebody logged on",
		22: "the session's desktop started",
		23: "a session ended: somebody logged off",
		24: "a session was disconnected and goes on without anybody",
		25: "a session was taken up again",
		39: "a session was disconnected by another one",
		40: "a session was disconnected, with the reason",
	},
	remoteCore: {
		131: "a computer connected to the remote desktop",
		140: "a computer gave a wrong name or password to the remote desktop",
	},
	powershell: {
		4103: "a PowerShell command was run",
		4104: "the text of a PowerShell script",
	},
	taskScheduler: {
		106: "a scheduled task was made",
		140: "a scheduled task was changed",
		141: "a scheduled task was deleted",
		200: "a scheduled task was started",
	},
	defender: {
		1116: "malware was found",
		1117: "something was done against malware",
		5001: "the virus protection was switched off",
		5007: "the virus protection's settings were changed",
	},
	wmi: {
		5858: "a query about the machine failed (WMI)",
		5861: "something was set to run on an event (WMI)",
	},
	sysmon: {
		1:  "a program was started",
		2:  "a program changed when a file was made",
		3:  "a program made a network connection",
		4:  "Sysmon started or stopped",
		5:  "a program ended",
		6:  "a driver was loaded",
		7:  "a program loaded a library",
		8:  "a program started code inside another",
		10: "a program opened another one's memory",
		11: "a file was made",
		12: "a registry key was made or deleted",
		13: "a registry value was set",
		15: "a file was downloaded, or a stream was added to one",
		16: "Sysmon's settings were changed",
		22: "a name was looked up",
		23: "a file was deleted",
		25: "a running program's code was replaced",
	},
}
