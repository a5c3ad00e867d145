package detect

import (
	"fmt"
	"slices"

	"chaperone"
	"chaperone/inventory"
)

// The rules of systems that begin to use others' desktops, files and shells.
const (
	DeviceActs    = "device-acts-like-pc" // a device does, which never should
	DeviceOutside = "device-outside"      // a device talks to the outside
	NewRemote     = "new-remote-access"   // anybody else does for the first time
)

// remotePorts are those of file sharing, remote desktops, remote administration, shells and databases.
var remotePorts = []uint16{22, 23, 135, 139, 445, 1433, 1521, 3306, 3389, 5432, 5900, 5985, 5986}

// isRemote reports whether an edge is access to another system's desktop, files, shell or database.
func (e *edge) isRemote() bool {
	return e.protocol == chaperone.SMB || e.protocol == chaperone.RDP || e.protocol == "" && slices.Contains(remotePorts, e.port)
}

// isDevice reports whether a system has one job and no user who opens desktops and files.
func isDevice(r inventory.Role) bool { return r == inventory.Modality || r == inventory.Engine }

// device finds devices that begin to act like a PC: modalities and engines speak DICOM and HL7, and to few.
func (s *Set) device(site *inventory.Site) {
	for _, list := range s.edges.bySource() {
		role := site.Role(list[0].client)
		if !isDevice(role) || !site.Inside(list[0].client) {
			continue
		}
		for _, e := range list {
			if !e.opened || !isNew(site, e.first) && site.End.Sub(site.Begin) >= learning {
				continue
			}
			inside := site.Inside(e.server)
			switch {
			case inside && e.isRemote():
				f := chaperone.Finding{
					Rule: DeviceActs, Severity: chaperone.High, Technique: "T1021", From: host(e.client), To: host(e.server), First: e.first, Last: e.last,
					Count: e.connections, Evidence: e.evidence,
					Title:  fmt.Sprintf("A %s opened %s to a system that it never used before: it acts like a PC.", role, e.what()),
					Advice: "Disconnect the device from everything but its archive and its worklist, and have its maker look at it.",
				}
				if !isNew(site, e.first) {
					f.Severity = chaperone.Medium // the evidence is too short to say what is usual
					f.Title = fmt.Sprintf("A %s opened %s to another system; it should not need to.", role, e.what())
				}
				s.put(fmt.Sprint(e.port), f)
			case !inside && !e.worked.IsZero() && isNew(site, e.worked):
				s.put(fmt.Sprint(e.port), chaperone.Finding{
					Rule: DeviceOutside, Severity: chaperone.Medium, Technique: "T1071", From: host(e.client), To: host(e.server), First: e.worked, Last: e.last,
					Count: e.connections, Evidence: e.workedBy,
					Title:  fmt.Sprintf("A %s connected to an outside address that it never used before.", role),
					Advice: "Let devices reach their archive, their worklist and their maker's update service, and nothing else.",
				})
			}
		}
	}
}

// newRemote notes who else opens desktops and files inside for the first time: alone it is everyday work, behind an
// intruder it is his way.
func (s *Set) newRemote(site *inventory.Site) {
	for _, list := range s.edges.bySource() {
		for _, e := range list {
			if !e.isRemote() || e.worked.IsZero() || !isNew(site, e.worked) || isDevice(site.Role(e.client)) || !site.Inside(e.client) || !site.Inside(e.server) {
				continue
			}
			s.put(fmt.Sprint(e.port), e.way())
		}
	}
}

// what says in a word what an edge is.
func (e *edge) what() string {
	switch e.protocol {
	case chaperone.SMB:
		return "shared files (SMB)"
	case chaperone.RDP:
		return "a remote desktop (RDP)"
	}
	return fmt.Sprintf("port %d", e.port)
}
