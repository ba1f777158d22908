package lab

import "time"

// Facts is what was really done to a host, for tests to compare with. Times are UTC, processes are as the host counts
// them, and what a scenario does not have is zero.
type Facts struct {
	Zone      int    // minutes east of Greenwich
	BootID    string // of the present boot, as /proc/sys/kernel/random/boot_id has it
	Redis     Redis  //
	Door      Door   // the forgotten rule; every scenario has it
	OwnerKey  string // SHA256 fingerprint, as ssh-keygen -l prints it
	OwnerFrom string // where the owner logs in from

	Intruder Intruder
	Miner    Miner
	Planted  []Planted // look-alikes, or in scenario twins their twins
	Expect   Expect
}

// Redis is the instance that lets everybody in.
type Redis struct {
	Service, Config, Dir, DumpFile string // as its owner set it up; no Service if it was started by hand
	Port                           int
	User                           string
}

// Door is the firewall rule that was opened and never closed.
type Door struct {
	Port      int
	Rule      string // as the kind's own tool lists it
	Position  int    // from 1, in INPUT (the chain input of table inet filter)
	Opened    string // the command in root's history
	Persisted string // the file that has it (IPv4)
}

// Intruder is who came in, and what they left.
type Intruder struct {
	From         string
	Key          string // SHA256 fingerprint
	KeysFile     string // written by Redis: noise, the owner's key, the intruder's
	KeysSaved    time.Time
	RedisKeys    []string // keys of the dataset that hold the payloads
	CronFile     string   // written by Redis
	CronSaved    time.Time
	CronRuns     bool   // whether the host's cron daemon runs the line in CronFile
	CronLog      string // what the daemon says about CronFile
	JobFile      string // the file whose job starts the miner: CronFile, or what was added over ssh
	JobLine      int    // from 1; lines end with \n
	Job          string // the line without its end
	LoggedIn     bool   // whether the key was used over ssh
	RedisDirNow  string // CONFIG GET dir after the intrusion
	RedisFileNow string // CONFIG GET dbfilename
}

// Miner is the stand-in.
type Miner struct {
	PID     int
	Started time.Time
	Exe     string
	SHA256  string
	Threads int
}

// Expect is what a correct examination of the host says, in the words of demine's JSON.
type Expect struct {
	Verdict string   // mining, compromised, nothing-found
	Exposed []string // listeners that anyone can reach without a password
}
