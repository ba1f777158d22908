package observe

// All observers. A test fails when a file declares one that is not here.
var All = []*Observer{
	hostinfo,
	account,
	process,
	image,
	load,
	socket,
	firewall,
	savedfirewall,
	cron,
	unit,
	rc,
	log,
	history,
	sshd,
	key,
	redis,
	file,
	packages,
	hidden,
	shape,
	memory,
	wire,
	container,
	tree,
}
