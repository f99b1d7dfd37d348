// Copy buttons: ✓ Copied for two seconds; where the browser refuses, the text is selected for Ctrl C.

import { icon, say } from './said.js'

function select (element) {
  const range = document.createRange()
  range.selectNodeContents(element)
  window.getSelection().removeAllRanges()
  window.getSelection().addRange(range)
}

function show (button, words, picture) {
  const before = [...button.childNodes]
  button.replaceChildren(...(picture ? [icon(picture)] : []), words)
  button.classList.add('copied')
  say(words)
  setTimeout(() => {
    button.replaceChildren(...before)
    button.classList.remove('copied')
  }, 2000)
}

document.addEventListener('click', async (event) => {
  const button = event.target.closest('[data-copy], [data-copy-of]')
  if (!button || button.classList.contains('copied')) return
  const source = document.getElementById(button.dataset.copyOf)
  try {
    await navigator.clipboard.writeText(button.dataset.copy ?? source.textContent.trim())
    show(button, 'Copied', 'check')
  } catch {
    // Only where the hub is opened without https, or by a browser that was told to refuse.
    const shown = source || button.previousElementSibling || button.parentElement
    select(shown)
    show(button, 'Press Ctrl C')
  }
})
