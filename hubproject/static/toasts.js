// Good news floats at the corner for six seconds; it stays while it is pointed at. At most three at a time.

import { icon } from './said.js'

const SECONDS = 6
const shelf = document.getElementById('toasts')

export function toast (words, { failure = false } = {}) {
  const shown = document.createElement('div')
  shown.className = 'toast'
  shown.setAttribute('role', failure ? 'alert' : 'status')
  const text = document.createElement('p')
  text.textContent = words
  const close = document.createElement('button')
  close.type = 'button'
  close.setAttribute('aria-label', 'Close')
  close.append(icon('cross'))
  close.addEventListener('click', () => shown.remove())
  shown.append(icon(failure ? 'triangle' : 'disc', 's', 'shape'), text, close)
  shelf.append(shown)
  while (shelf.children.length > 3) shelf.firstChild.remove()
  if (failure) return
  let left = SECONDS
  const tick = setInterval(() => {
    if (!shown.matches(':hover, :focus-within')) left -= 1
    if (left > 0) return
    clearInterval(tick)
    shown.remove()
  }, 1000)
}

for (const note of document.querySelectorAll('#messages [data-toast]')) {
  toast(note.textContent.trim())
  note.remove()
}
