// Pages that ask before something is done, shown over the page one comes from. Without script they are pages.

import { setClock } from './ages.js'

const dialog = document.getElementById('dialog')
let underWay = new AbortController()

function show (text, from) {
  const asked = new DOMParser().parseFromString(text, 'text/html').querySelector('section.dialog')
  if (!asked) return false
  dialog.replaceChildren(document.adoptNode(asked))
  const title = dialog.querySelector('h1, h2')
  if (title) title.id = 'dialog-title'
  for (const form of dialog.querySelectorAll('form:not([action])')) form.action = from
  if (!dialog.open) dialog.showModal()
  const first = dialog.querySelector('[aria-invalid="true"], [autofocus]')
  first?.focus()
  return true
}

// A link's own, or that to which a button sends its form by GET.
function addressOf (asking) {
  return asking.href || `${asking.formAction}?${new URLSearchParams(new FormData(asking.form))}`
}

// The question of that address, or null for whatever is none: signed out, gone, or nothing came.
async function questionAt (address, signal) {
  try {
    const answer = await fetch(address, { signal })
    setClock(answer.headers.get('Date'))
    return answer.ok && !answer.redirected ? await answer.text() : null
  } catch {
    return null
  }
}

document.addEventListener('click', async (event) => {
  const link = event.target.closest('[data-dialog]')
  if (event.target.closest('dialog [data-cancel]')) {
    event.preventDefault()
    dialog.close()
  } else if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault()
    const menu = link.closest('details.menu')
    if (menu) menu.open = false
    const address = addressOf(link)
    underWay.abort() // who asks for something else must not be shown this one, and agree to it
    underWay = new AbortController()
    const { signal } = underWay
    const text = await questionAt(address, signal)
    if (signal.aborted) return
    // What is no question is shown as the page it is.
    if (text === null || !show(text, address)) window.location.assign(address)
  }
})

dialog.addEventListener('click', (event) => {
  if (event.target === dialog) dialog.close() // the ground beside it
})
