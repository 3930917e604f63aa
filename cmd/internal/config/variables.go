package config

// Variable is the environment variable that sets what a flag sets, empty when
// there is none.
func Variable(flag string) string {
	for _, s := range settings() {
		if s.flag == flag {
			return s.env
		}
	}
	return ""
}
