// Lists whose rows can be chosen: what is chosen is counted, and what can be done with it takes the place of the head.

let last = null

function boxesOf (form) {
  return [...form.querySelectorAll('input[name="_selected_action"]')]
}

export function update (form) {
  const boxes = boxesOf(form)
  const chosen = boxes.filter((box) => box.checked)
  const bar = form.querySelector('.selection')
  const isWhole = boxes.length > 0 && chosen.length === boxes.length
  bar.hidden = chosen.length === 0
  bar.querySelector('[data-selected-count]').textContent = `${chosen.length} selected`
  for (const all of form.querySelectorAll('[data-select-all]')) {
    all.checked = isWhole
    all.indeterminate = chosen.length > 0 && !isWhole
  }
  const across = bar.querySelector('[data-all-matching]')
  if (across) {
    across.hidden = !isWhole
    if (!isWhole) across.querySelector('input').checked = false
  }
}

function choose (form, boxes, chosen) {
  for (const box of boxes) box.checked = chosen
  update(form)
}

document.addEventListener('click', (event) => {
  const form = event.target.closest('[data-selection]')
  if (!form) return
  if (event.target.matches('[data-clear]')) {
    const first = boxesOf(form).find((box) => box.checked)
    choose(form, boxesOf(form), false)
    first?.focus() // the button that was pressed is gone
  } else if (event.target.matches('[data-select-all]')) {
    choose(form, boxesOf(form), event.target.checked)
  } else if (event.target.matches('[name="_selected_action"]')) {
    const boxes = boxesOf(form)
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(event.target)].sort((a, b) => a - b)
    if (event.shiftKey && from >= 0) choose(form, boxes.slice(from, to + 1), event.target.checked)
    last = event.target
    update(form)
  }
})

// A browser that goes back keeps the boxes as they were.
window.addEventListener('pageshow', () => document.querySelectorAll('[data-selection]').forEach(update))
