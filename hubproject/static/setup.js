// The wizard: checks follow what is typed, and a button that was pressed is not pressed twice.

import './forms.js'

const form = document.querySelector('[data-checks]')
let waiting

async function check () {
  const answer = await fetch(form.dataset.checks, { method: 'POST', body: new FormData(form) })
  if (!answer.ok) return
  const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html')
  for (const id of ['checks', 'endpoint-warning']) {
    const [old, now] = [document.getElementById(id), fresh.getElementById(id)]
    if (old.textContent.trim() !== now.textContent.trim()) old.replaceChildren(...now.childNodes)
  }
}

form?.addEventListener('input', () => {
  clearTimeout(waiting)
  waiting = setTimeout(check, 400)
})
