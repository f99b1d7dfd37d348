// Keyboard shortcuts; `?` lists them. Nothing happens while something is typed.

const KEYS = {
  '/': () => {
    const field = [...document.querySelectorAll('[data-key="/"], .filters input[type="search"]')].find((one) => one.checkVisibility())
    field?.focus()
    return field
  },
  n: () => {
    const where = document.body.dataset.new
    if (where) window.location.assign(where)
    return where
  },
  '?': () => {
    document.getElementById('keys').showModal()
    return true
  }
}

document.addEventListener('keydown', (event) => {
  const isTyped = event.target.closest('input:not([type="checkbox"], [type="radio"]), select, textarea, [contenteditable]')
  if (isTyped && event.key === 'Escape') event.target.blur()
  if (isTyped || event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return
  if (KEYS[event.key]?.()) event.preventDefault()
})

document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-show]')
  if (button) document.getElementById(button.dataset.show).showModal()
})
