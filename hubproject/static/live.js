// Parts of a page that renew themselves: <div id="…" data-live="5">, every five seconds while somebody can see it.
//
// Cells (data-cell, inside their data-row if they have one) change in place; nothing else is touched, so that place,
// choice, focus and open menus stay. A part with data-live-replace is taken as a whole.

import { setClock } from './ages.js'
import { icon } from './said.js'
import { update } from './selection.js'

const RETRY = 5
const banner = document.getElementById('client-banner')
const label = document.querySelector('[data-live-state]')
const due = new WeakMap() // when a part is asked for again
const shown = new WeakMap() // what a replaced part or cell was given last
let answered = Date.now()
let trouble = null

// --- What the page says about itself ---

const TROUBLES = {
  signedOut: {
    tone: '',
    shape: 'disc',
    fact: 'You were signed out.',
    meaning: ' and this page goes on where it was.',
    link: 'Sign in',
    brief: 'Not live: sign in'
  },
  database: {
    tone: 'warn',
    shape: 'triangle',
    fact: 'The database is not answering.',
    meaning: `Trying again every ${RETRY} s. Nothing you typed is lost.`,
    brief: 'Not live'
  },
  away: {
    tone: 'warn',
    shape: 'triangle',
    fact: 'The hub is not answering.',
    meaning: `Trying again every ${RETRY} s. Nothing you typed is lost.`,
    brief: 'Not live'
  }
}

function setTrouble (name) {
  if (name === trouble) return
  trouble = name
  banner.replaceChildren()
  if (name) banner.append(note(TROUBLES[name]))
}

function note ({ tone, shape, fact, meaning, link }) {
  const made = document.createElement('div')
  made.className = `note ${tone}`
  made.setAttribute('role', 'alert')
  const words = document.createElement('p')
  const bold = document.createElement('b')
  bold.textContent = fact
  words.append(bold, ' ')
  if (link) {
    const anchor = document.createElement('a')
    anchor.href = `${document.body.dataset.signIn}?next=${encodeURIComponent(location.pathname + location.search)}`
    anchor.textContent = link
    words.append(anchor)
  }
  words.append(meaning)
  made.append(icon(shape, 's', `shape ${tone || 'accent'}`), words)
  return made
}

function showState () {
  if (!label) return
  const seconds = Math.floor((Date.now() - answered) / 1000)
  const [tone, shape, words] = trouble
    ? ['warn', 'triangle', TROUBLES[trouble].brief]
    : isBusy() ? ['off', 'ring', 'Paused while a menu is open'] : ['ok', 'disc', `Live, ${seconds} s ago`]
  if (label.textContent !== words) label.replaceChildren(icon(shape, 's', `shape ${tone}`), words)
}

// --- When to ask ---

const isBusy = () => document.querySelector('main details.menu[open], dialog[open]') !== null

function isTypedIn (part) {
  return part.contains(document.activeElement) && document.activeElement.matches('input:not([type="checkbox"], [type="radio"]), select, textarea')
}

function tick () {
  showState()
  if (document.hidden) return
  for (const part of document.querySelectorAll('[data-live]')) {
    const seconds = Number(part.dataset.live)
    if (!seconds) continue
    if (!due.has(part)) due.set(part, Date.now() + seconds * 1000)
    if (Date.now() >= due.get(part) && !isBusy() && !isTypedIn(part)) ask(part)
  }
}

function ask (part) {
  const seconds = Number(part.dataset.live)
  due.set(part, Date.now() + (trouble ? Math.max(RETRY, seconds) : seconds) * 1000)
  const address = part.dataset.liveUrl || location.pathname + location.search
  // Else htmx would ask again by itself as soon as this has ended, and where that fails too nobody could catch it.
  part.setAttribute('hx-sync', 'this:drop')
  // That no answer came is told below, like all that becomes of a request.
  window.htmx.ajax('GET', address, { source: part, target: part, swap: 'none' }).catch(() => {})
}

// --- What to do with an answer ---

document.addEventListener('htmx:afterRequest', ({ target: part, detail: { xhr } }) => {
  if (!part.matches?.('[data-live]')) return
  setClock(xhr.getResponseHeader('Date'))
  if (xhr.status === 200) {
    answered = Date.now()
    setTrouble(null)
    renew(part, xhr.responseText)
  } else {
    setTrouble(xhr.status === 401 ? 'signedOut' : xhr.status === 503 ? 'database' : 'away')
    due.set(part, Date.now() + RETRY * 1000)
  }
  showState()
})

function renew (part, text) {
  const fresh = new DOMParser().parseFromString(text, 'text/html').getElementById(part.id)
  if (!fresh || isBusy() || isTypedIn(part)) return
  if ('live' in fresh.dataset) part.dataset.live = fresh.dataset.live
  if ('liveUrl' in fresh.dataset) part.dataset.liveUrl = fresh.dataset.liveUrl
  if ('liveReplace' in part.dataset) replace(part, fresh)
  else renewCells(part, fresh)
  part.dispatchEvent(new CustomEvent('hub:renewed', { bubbles: true }))
}

function replace (part, fresh) {
  if (shown.get(part) === fresh.innerHTML) return
  shown.set(part, fresh.innerHTML)
  for (const open of part.querySelectorAll('details[id][open]')) {
    fresh.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute('open', '')
  }
  const focused = part.contains(document.activeElement) && document.activeElement.id
  part.className = fresh.className
  part.replaceChildren(...fresh.childNodes)
  if (focused) document.getElementById(focused)?.focus()
}

function renewCells (part, fresh) {
  for (const cell of cellsOf(fresh)) {
    const row = cell.closest('[data-row]')
    const place = row ? part.querySelector(`[data-row="${CSS.escape(row.dataset.row)}"]`) : part
    const old = place?.querySelector(`[data-cell="${CSS.escape(cell.dataset.cell)}"]`)
    // What has the focus stays as it is, unless the cell says that its news matter more (data-live-firm).
    const isHeld = old?.contains(document.activeElement) && !('liveFirm' in old.dataset)
    if (!old || isHeld || shown.get(old) === cell.innerHTML) continue
    shown.set(old, cell.innerHTML)
    old.className = cell.className
    old.replaceChildren(...document.adoptNode(cell).childNodes)
  }
  const form = part.closest('[data-selection]') || part.querySelector('[data-selection]')
  if (form) update(form)
  if (rowsOf(fresh).length || part.id !== 'container') showChanges(part, fresh)
}

const cellsOf = (part) => [...part.querySelectorAll('[data-cell]')]
const rowsOf = (part) => [...part.querySelectorAll('[data-row]')].map((row) => row.dataset.row)

// Rows that came, went or moved wait until they are asked for: nothing moves under the pointer.
function showChanges (part, fresh) {
  const [before, after] = [rowsOf(part), rowsOf(fresh)]
  for (const row of part.querySelectorAll('[data-row]')) row.classList.toggle('gone', !after.includes(row.dataset.row))
  const place = document.querySelector('[data-changes]')
  if (!place) return
  const changed = after.filter((row, number) => before[number] !== row).length || Number(before.length !== after.length)
  place.hidden = changed === 0
  if (!changed) return
  const anchor = document.createElement('a')
  anchor.href = location.pathname + location.search
  anchor.textContent = changed === 1 ? '1 change, show' : `${changed} changes, show`
  place.replaceChildren(anchor)
}

document.addEventListener('click', (event) => {
  if (event.target.closest('[data-refresh]')) document.querySelectorAll('[data-live]').forEach(ask)
})
// Who comes back to the page sees it as it is, not as it was.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) document.querySelectorAll('[data-live]:not([data-live="0"])').forEach(ask)
})

window.htmx.config.timeout = 10000
setInterval(tick, 250)
