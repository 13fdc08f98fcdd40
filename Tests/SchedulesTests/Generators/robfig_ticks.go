// Writes what robfig/cron 3, by which Kubernetes reads CronJobs, makes of expressions, as JSON lines.
//
// Run it with that module or Debian's golang-github-robfig-cron-dev:
// GO111MODULE=off GOPATH=/usr/share/gocode go run robfig_ticks.go COUNT SEED > ../Fixtures/robfig.jsonl
package main

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron"
)

var zones = []string{
	"UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Europe/London", "America/Sao_Paulo", "Asia/Kolkata",
	"Pacific/Auckland", "Africa/Cairo", "America/Santiago", "Asia/Beirut", "Europe/Dublin", "America/Havana",
}

var odd = []string{
	"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "@Hourly", "@reboot", "@every 90m", "@every 1h30m10s",
	"@every 10ms", "@every -1m", "@every", "@every 5", "@every 1.5h", "@every 1d", "@every 2m2m",
	"5/15 * * * *", "0 0 * * 7", "0 0 * * 0-6", "0 0 * * 5-0", "0 0 ? * ?", "0 0 1 * ?", "0 0 */2 * mon", "0 0 * * MON-fri", "0 0 1,* * mon",
	"0 0 * jan,Feb *", "0 0 31 2 *", "0 0 30 2 mon", "0 0 29 2 *", "0 0 L * *", "60 * * * *", "0 24 * * *", "0 0 0 * *", "*/0 * * * *",
	"*/61 * * * *", "0 0 * * * *", "0 0 * *", "", "0, * * * *", ",0 * * * *", "5-1 * * * *", "1-5-7 * * * *", "1/2/3 * * * *", "*-5 * * * *",
	"0 0 * * monday", "TZ=UTC 0 0 * * *", "CRON_TZ=Asia/Tokyo 30 4 * * *", "0\t0\t*\t*\t*", " 0 0 * * * ", "00 02 * * *", "+5 * * * *", "0 0 */1 * mon",
	"0 0 1-31 * mon", "*5 * * * *", "0-59/7 1 * * *", "?/5 * * * *", "007 * * * *", "0 0 1 1 sun-sat", "*,5 * * * *", ",,5 * * * *", "0 0 , * *",
	"-5 * * * *", "0 0 * * 1#2", "0 0 15W * *", "1- * * * *", "/5 * * * *", "*/ * * * *", "99999999999999999999 * * * *", "0 0 * * sun,7", "*/70 0 * * *",
}

func field(r *rand.Rand, low, high int, star float64) string {
	kind := r.Float64()
	between := func() (int, int) {
		a, b := low+r.Intn(high-low+1), low+r.Intn(high-low+1)
		if a > b {
			return b, a
		}
		return a, b
	}
	switch {
	case kind < star:
		return "*"
	case kind < star+(1-star)*0.35:
		return strconv.Itoa(low + r.Intn(high-low+1))
	case kind < star+(1-star)*0.55:
		return fmt.Sprintf("*/%d", []int{1, 2, 3, 5, 10, 15, 20}[r.Intn(7)])
	case kind < star+(1-star)*0.7:
		a, b := between()
		return fmt.Sprintf("%d-%d", a, b)
	case kind < star+(1-star)*0.8:
		a, b := between()
		return fmt.Sprintf("%d-%d/%d", a, b, 1+r.Intn(9))
	case kind < star+(1-star)*0.88:
		return fmt.Sprintf("%d/%d", low+r.Intn(high-low+1), 1+r.Intn(9))
	}
	return fmt.Sprintf("%d,%d", low+r.Intn(high-low+1), low+r.Intn(high-low+1))
}

func members(set uint64) []int {
	found := []int{}
	for bit := 0; bit < 60; bit++ {
		if set>>uint(bit)&1 == 1 {
			found = append(found, bit)
		}
	}
	return found
}

func main() {
	count, _ := strconv.Atoi(os.Args[1])
	seed, _ := strconv.ParseInt(os.Args[2], 10, 64)
	r := rand.New(rand.NewSource(seed))
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for i := 0; i < count+len(odd); i++ {
		text := strings.Join([]string{
			field(r, 0, 59, 0.1), field(r, 0, 23, 0.35), field(r, 1, 31, 0.7), field(r, 1, 12, 0.85), field(r, 0, 6, 0.6),
		}, " ")
		name := zones[r.Intn(len(zones))]
		if i < len(odd) {
			text, name = odd[i], "Europe/Berlin"
		}
		zone, err := time.LoadLocation(name)
		if err != nil {
			panic(err)
		}
		// Half of them begin shortly before the clock changes.
		start := time.Date(2024+r.Intn(5), time.Month(1+r.Intn(12)), 1+r.Intn(28), r.Intn(24), r.Intn(60), r.Intn(60), 0, time.UTC)
		if i%2 == 1 {
			_, before := start.In(zone).Zone()
			for day := 0; day < 370; day++ {
				if _, after := start.AddDate(0, 0, day+1).In(zone).Zone(); after != before {
					start = start.AddDate(0, 0, day).Add(-6 * time.Hour)
					break
				}
			}
		}
		line := map[string]interface{}{"cron": text, "tz": name, "start": start.Unix()}
		schedule, err := cron.ParseStandard(text)
		if err != nil {
			line["error"] = err.Error()
		} else {
			fires := []int64{}
			at := start.In(zone)
			for n := 0; n < 60; n++ {
				at = schedule.Next(at)
				if at.IsZero() {
					break
				}
				fires = append(fires, at.Unix())
			}
			line["fires"] = fires
			if spec, ok := schedule.(*cron.SpecSchedule); ok {
				line["sets"] = map[string]interface{}{
					"minutes": members(spec.Minute), "hours": members(spec.Hour), "days": members(spec.Dom), "months": members(spec.Month),
					"weekdays": members(spec.Dow), "either_day": spec.Dom>>63 == 0 && spec.Dow>>63 == 0,
				}
			}
		}
		out.Encode(line)
	}
}
