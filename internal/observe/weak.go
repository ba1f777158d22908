package observe

import "strings"

// common are passwords that everybody who guesses begins with: the head of every
// published list, and what installation guides and images ship.
var common = strings.Fields(`
	123456 1234567 12345678 123456789 1234567890 12345 1234 111111 000000 123123 654321 666666 888888 112233 121212 123321
	password password1 password123 passw0rd p@ssw0rd p@ssword pass pass123 admin admin123 admin888 administrator root root123 toor
	test test123 guest user changeme change_me default default_token secret letmein welcome welcome1 qwerty qwerty123 qwertyuiop 1q2w3e4r
	1qaz2wsx abc123 abcd1234 a123456 aa123456 asdfgh iloveyou monkey dragon master login manager system oracle postgres mysql mariadb
	mongo mongodb redis foobared elastic minio minioadmin jenkins nacos rabbitmq activemq docker portainer supervisor vagrant ubuntu
	centos huawei tencent aliyun example demo dev prod public private token`)

// guessable reports whether a password is among those that are tried first: a
// common one, the service's own name, or one of these with a few digits or
// signs behind it. It is compared here and nowhere else.
func guessable(password, service string) bool {
	p := strings.ToLower(password)
	if len(p) < 6 {
		return true
	}
	stem := strings.TrimRight(p, "0123456789!@#$.*_-")
	for _, w := range append(common, strings.ToLower(service)) {
		if p == w || stem == w && len(p)-len(stem) <= 4 {
			return true
		}
	}
	return false
}

// weak: Redis answers some 100,000 guesses a second, so a short password is
// found at once.
func weak(password string) bool {
	letters := map[rune]bool{}
	for _, r := range password {
		letters[r] = true
	}
	digits := strings.Trim(password, "0123456789") == ""
	lower := strings.ToLower(password)
	for _, word := range []string{"redis", "foobared", "password", "passw0rd", "123456", "qwerty", "admin", "root", "test"} {
		if strings.Contains(lower, word) && len(password) < len(word)+6 {
			return true
		}
	}
	return len(password) < 12 || digits || len(letters) < 6
}
