package wire

import "time"

// Fact is what a connection says about systems, accounts and files rather than about patients. It comes with a Noted
// event. Facts hold no marks and no slices that a session goes on using: they stay valid.
type Fact interface{ fact() }

// Tunnel is what a TLS handshake shows (RFC 8446 section 4, RFC 5246 section 7.4). It is noted once, when nothing more
// will be readable, at the latest with Close.
type Tunnel struct {
	ServerName  string   // the client's server_name extension (RFC 6066 section 3)
	Offered     uint16   // highest version that the client offers, 0 when its hello was not seen
	Version     uint16   // the version that the server chose, 0 when its hello was not seen
	Names       []string // of the server's certificate: common name, then its DNS names and addresses; none from TLS 1.3 on
	Issuer      string   // common name of its issuer
	SelfSigned  bool     // subject and issuer are equal
	Mutual      bool     // the client showed a certificate, as far as that can be seen
	Resumed     bool     // the server went on with an earlier session: it shows no certificate
	Certificate [32]byte // SHA-256 of the server's certificate, zero without one
}

// NLA says what a connection proves about network level authentication (CredSSP) on an RDP server.
type NLA uint8

// What a connection can prove.
const (
	NLAUnknown  NLA = iota // it proves nothing: no answer was seen
	NLAOff                 // the server took a session without it
	NLAOffered             // the session used it; the server may take others without
	NLARequired            // the server refused a session without it
)

func (n NLA) String() string { return [...]string{"unknown", "off", "offered", "required"}[n] }

// Desktop is what an RDP connection shows (MS-RDPBCGR sections 2.2.1.1 to 2.2.1.3). It is noted once, with Close.
type Desktop struct {
	Cookie      string   // mstshash: the name of a user or a machine, as the client claims, cut to nine characters
	Routed      bool     // the cookie was a load balancer's (msts)
	Negotiates  bool     // the client sent RDP_NEG_REQ
	Requested   uint32   // protocols that the client offers: 1 TLS, 2 CredSSP, 8 CredSSP with early user authorization
	Answered    bool     // the server's connection confirm was seen
	Selected    uint32   // the protocol it chose, 0 is RDP's own security
	Failure     uint32   // the failure code it gave instead, 0 without one
	NLA         NLA      // of the server
	Machine     string   // the client's own name, from MCS Connect-Initial: only without TLS
	Keyboard    uint32   // its keyboard layout (Windows language identifier), likewise
	Build       uint32   // its version, likewise
	Channels    []string // names of the virtual channels: rdpdr (drives), cliprdr (clipboard), likewise
	Tunnel      *Tunnel  // the TLS inside, nil without
	Bytes       [2]int64 // that passed, by direction, gaps included
	First, Last time.Time
}

// FileServer is what an SMB server and its client agree on (MS-SMB2 section 2.2.4). It is noted when it is known and
// again when one of its fields changes.
type FileServer struct {
	Dialect   uint16 // 0x0202 to 0x0311; 1 for SMB1
	Signing   bool   // the server requires it
	Encrypted bool   // sealed messages were seen: only their number of bytes is known
}

// Logon is one answered SMB session setup (MS-SMB2 section 2.2.6, MS-NLMP section 2.2.1).
type Logon struct {
	Session      uint64
	Status       uint32 // NTSTATUS, 0 is success
	Account      string // as the client claims: "" for Kerberos and for nobody
	Domain       string
	Workstation  string // the client's own name
	Server       string // the server's own name, from its challenge
	ServerDomain string
	Build        string // the server's version, "10.0.17763"
	Guest        bool   // the server took it as a guest, or as nobody
	Anonymous    bool
	Kerberos     bool
}

// Software is what a side says of the program it runs.
type Software struct {
	Dir     Dir    // the side
	Name    string // implementation version name (PS3.7 annex D.3.3.2), or what the protocol has like it
	Maker   string // implementation class UID, likewise; its root names the maker
	Context string // how it said so: "A-ASSOCIATE"
}

// Share is one answered tree connect (MS-SMB2 section 2.2.10).
type Share struct {
	Session   uint64
	Status    uint32
	Path      string // \\server\share
	Encrypted bool   // the share demands encryption
}

// FileStep is a step in the life of an open file.
type FileStep uint8

// The steps.
const (
	FileOpened FileStep = iota
	FileRead
	FileWritten
	FileLocked
	FileClosed
)

// FileUse is one step of one open file (MS-SMB2 sections 2.2.14, 2.2.20, 2.2.22, 2.2.16). Session and ID name the open
// file on every connection of its session; its name and size come with FileOpened alone.
type FileUse struct {
	Step    FileStep
	Session uint64
	ID      [16]byte
	Status  uint32 // of FileOpened; other steps are noted when they succeeded
	Share   string // of FileOpened: \\server\share, "" when its tree connect was not seen
	Name    string // of FileOpened
	Size    int64  // of FileOpened: end of file; -1 when it is not known
	Offset  int64  // of FileRead, FileWritten and FileLocked; -1 when the request was not seen
	Length  int64  // bytes that passed, gaps included
}

func (Tunnel) fact()     {}
func (Desktop) fact()    {}
func (FileServer) fact() {}
func (Logon) fact()      {}
func (Software) fact()   {}
func (Share) fact()      {}
func (FileUse) fact()    {}
