package clinicsim

import (
	"net/netip"
	"slices"
	"strings"
)

// The systems that a clinic has beside those of a single day. Windows computers have the name that their logs say.
var (
	gateway    = host("GATEWAY", "192.0.2.1")
	terminal   = host("PRAXIS-TS1", "192.0.2.15") // reached from outside, for the vendor
	terminal2  = host("PRAXIS-TS2", "192.0.2.16") // reached from outside, for work at home
	engine     = host("ENGINE1", "192.0.2.35")
	files      = host("FILES1", "192.0.2.40")
	backup     = host("BACKUP1", "192.0.2.45")
	monitor    = host("MONITOR1", "192.0.2.46")
	retired    = host("OLDPACS", "192.0.2.61") // still watched, long switched off
	printer    = host("PRINTER1", "192.0.2.90")
	office3    = host("OFFICE3", "192.0.2.103")
	office4    = host("OFFICE4", "192.0.2.104")
	keeper     = host("ADMIN-PC", "192.0.2.110") // the administrator's
	cardiogram = host("ECG1", "198.51.100.21")
)

// Systems outside that a clinic has to do with.
var (
	vendor      = host("SUPPORT", "203.0.113.21")
	vault       = host("VAULT", "203.0.113.30") // backups away from the clinic
	updates     = host("UPDATES", "203.0.113.40")
	outsideMail = host("MAIL", "203.0.113.50")
	outsideNews = host("NEWS", "203.0.113.61")
	outsideBank = host("BANK", "203.0.113.62")
	homeOffice  = host("HOME", "203.0.113.84")
	homeAgain   = host("HOME", "203.0.113.85") // the same home, with another address
)

// roles say what each system is for.
var roles = map[Host]string{
	registration: "server", laboratory: "server", records: "server", portal: "server", radiology: "server",
	resolver: "server", intranet: "server", gateway: "server", terminal: "server", terminal2: "server",
	backup: "server", monitor: "server", printer: "server",
	archive: "pacs", viewer: "viewer", teaching: "viewer", engine: "hl7 engine", files: "file server",
	office: "workstation", office2: "workstation", office3: "workstation", office4: "workstation",
	laptop: "workstation", keeper: "workstation",
	scanner: "modality", magnet: "modality", cardiogram: "modality", retired: "server",
}

// premises gives the clinic's own systems in the order of their addresses.
func premises() []Host {
	var list []Host
	for h := range roles {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b Host) int { return a.Addr.Compare(b.Addr) })
	return list
}

// premisesCSV names them.
func premisesCSV() []byte {
	var b strings.Builder
	b.WriteString("address,name\n")
	for _, h := range premises() {
		b.WriteString(h.Addr.String() + "," + h.Name + "\n")
	}
	return []byte(b.String())
}

// role says what the system behind an address is for.
func role(a netip.Addr) string {
	for h, what := range roles {
		if h.Addr == a {
			return what
		}
	}
	if inside(a) {
		return "workstation"
	}
	return "outside"
}

var (
	officeNet = netip.MustParsePrefix("192.0.2.0/24")
	deviceNet = netip.MustParsePrefix("198.51.100.0/24")
)

func inside(a netip.Addr) bool { return officeNet.Contains(a) || deviceNet.Contains(a) }

// device tells whether an address is in the network of the devices.
func device(a netip.Addr) bool { return deviceNet.Contains(a) }

// sorted gives addresses as texts, in their order.
func sorted(list []netip.Addr) []string {
	slices.SortFunc(list, netip.Addr.Compare)
	texts := []string{}
	for _, a := range slices.Compact(list) {
		texts = append(texts, a.String())
	}
	return texts
}
