package respond

import "slices"

// All are the actions, in the order of their phases.
var All = []*Action{
	doorShut,
	processFreeze,
	processEvidence,
	processKill,
	redisDisarm,
	fileQuarantine,
	autostartCronRemoveLine,
	autostartRCRemoveLine,
	autostartDisable,
	preloadRemoveLine,
	keyRemoveLine,
	keysLock,
	firewallClose,
	firewallCloseSaved,
	sshdRootLogin,
	sshdKeysCommand,
	sshdDefault,
	redisSave,
	redisProtectConfigs,
	redisUser,
	redisRequirepass,
	redisBind,
	redisPort,
	redisRestart,
}

// byName finds an action; tests of the engine put their own here.
var byName = map[string]*Action{}

func init() {
	for _, a := range All {
		if byName[a.Name] != nil {
			panic("respond: two actions " + a.Name)
		}
		byName[a.Name] = a
	}
}

// Known reports whether there is an action of a name.
func Known(name string) bool {
	return slices.ContainsFunc(All, func(a *Action) bool { return a.Name == name })
}
