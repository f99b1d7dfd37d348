// The wizard: checks follow what is typed, and a button that was pressed is not pressed twice.

import './forms.js'

const form = document.querySelector('[data-checks]')
let waiting
let underWay = new AbortController()

// The page, or null where none came: then what is shown stays, and whatever is typed next asks again.
async function answerTo (values, signal) {
  try {
    const answer = await fetch(form.dataset.checks, { method: 'POST', body: values, signal })
    return answer.ok ? await answer.text() : null
  } catch {
    return null
  }
}

async function check () {
  underWay.abort() // its answer would be of what was typed before
  underWay = new AbortController()
  const text = await answerTo(new FormData(form), underWay.signal)
  if (text === null) return
  const fresh = new DOMParser().parseFromString(text, 'text/html')
  for (const id of ['checks', 'endpoint-warning']) {
    const [old, now] = [document.getElementById(id), fresh.getElementById(id)]
    if (old.textContent.trim() !== now.textContent.trim()) old.replaceChildren(...now.childNodes)
  }
}

form?.addEventListener('input', () => {
  clearTimeout(waiting)
  waiting = setTimeout(check, 400)
})
