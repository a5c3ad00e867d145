package guard

import "chaperone/wire"

// phase is how far the two associations are.
type phase uint8

const (
	phaseWaiting   phase = iota // for the client's request
	phaseAsked                  // for the system's answer to it
	phaseOpen                   // messages pass
	phaseClientOut              // the client asked to release
	phaseServerOut              // the system did
	phaseCollided               // both did: the client, who requested the association, answers first (PS3.8 section 7.2.3)
	phaseHalf                   // and the system is to answer
	phaseOver
	phases // how many there are
)

// step is what may come next.
type step struct {
	phase phase
	from  wire.Dir
	kind  byte
}

// steps is the table of both upper layers together; what is not in it is an unexpected PDU. An abort may come at any time.
var steps = map[step]phase{
	{phaseWaiting, wire.FromClient, pduAssociateRQ}: phaseAsked,
	{phaseAsked, wire.FromServer, pduAssociateAC}:   phaseOpen,
	{phaseAsked, wire.FromServer, pduAssociateRJ}:   phaseOver,
	{phaseOpen, wire.FromClient, pduData}:           phaseOpen,
	{phaseOpen, wire.FromServer, pduData}:           phaseOpen,
	{phaseOpen, wire.FromClient, pduReleaseRQ}:      phaseClientOut,
	{phaseOpen, wire.FromServer, pduReleaseRQ}:      phaseServerOut,
	{phaseClientOut, wire.FromServer, pduData}:      phaseClientOut,
	{phaseClientOut, wire.FromServer, pduReleaseRP}: phaseOver,
	{phaseClientOut, wire.FromServer, pduReleaseRQ}: phaseCollided,
	{phaseServerOut, wire.FromClient, pduData}:      phaseServerOut,
	{phaseServerOut, wire.FromClient, pduReleaseRP}: phaseOver,
	{phaseServerOut, wire.FromClient, pduReleaseRQ}: phaseCollided,
	{phaseCollided, wire.FromClient, pduReleaseRP}:  phaseHalf,
	{phaseHalf, wire.FromServer, pduReleaseRP}:      phaseOver,
}
