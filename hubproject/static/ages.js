// Ages and countdowns go on counting. The words are those of templatetags/look.py.

const pad = (number) => String(number).padStart(2, '0')
const dayOf = (ms) => Math.floor(ms / 86400000)

function ageInWords (then, now) {
  const seconds = Math.max(0, Math.floor((now - then) / 1000))
  const days = dayOf(now) - dayOf(then)
  if (seconds < 60) return `${seconds} s ago`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`
  if (days === 0 || seconds < 6 * 3600) return `${Math.floor(seconds / 3600)} h ago`
  const at = new Date(then)
  return days === 1 ? `yesterday, ${pad(at.getUTCHours())}:${pad(at.getUTCMinutes())}` : `${days} days ago`
}

function leftInWords (then, now) {
  const seconds = Math.floor((then - now) / 1000)
  if (seconds <= 0) return 'over'
  if (seconds < 60) return `${seconds} s left`
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min left`
  return seconds < 172800 ? `${Math.floor(seconds / 3600)} h left` : `${Math.floor(seconds / 86400)} days left`
}

function byTheClock (ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours ? `${hours}:${pad(minutes)}:${pad(seconds % 60)}` : `${minutes}:${pad(seconds % 60)}`
}

const WORDS = {
  age: ageInWords,
  until: leftInWords,
  countdown: (then, now) => byTheClock(then - now),
  stopwatch: (then, now) => byTheClock(now - then)
}

// The hub's clock, not this machine's: every answer of the hub says what time it is there.
let ahead = 0
export function setClock (answerDate) {
  const there = Date.parse(answerDate)
  if (there && Math.abs(there - Date.now() - ahead) > 2000) ahead = there - Date.now()
}

function count () {
  const now = Date.now() + ahead
  for (const time of document.querySelectorAll('time[data-counts]')) {
    const words = WORDS[time.dataset.counts](Date.parse(time.dateTime), now)
    if (time.textContent !== words) time.textContent = words
  }
}

setClock(document.body.dataset.now)
setInterval(count, 1000)
