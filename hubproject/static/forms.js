// Buttons that say what they are doing, selects that send themselves, pages that ask before they are left.

document.addEventListener('submit', (event) => {
  const button = event.submitter || event.target.querySelector('[data-busy]')
  if (event.defaultPrevented || !button?.dataset.busy) return
  leaving = true
  const words = button.textContent
  // After this turn, else the button's own name and value would not be sent.
  setTimeout(() => {
    button.disabled = true
    button.textContent = button.dataset.busy
  })
  // A page that comes back from the browser's memory is whole again.
  window.addEventListener('pageshow', () => {
    button.disabled = false
    button.textContent = words
  }, { once: true })
})

document.addEventListener('change', (event) => {
  if (event.target.matches('[data-submit]')) event.target.form.requestSubmit()
})

let leaving = false
document.addEventListener('click', (event) => {
  if (event.target.closest('[data-quiet]')) leaving = true
})
window.addEventListener('beforeunload', (event) => {
  if (!leaving && document.querySelector('[data-leave]')) event.preventDefault()
})

document.querySelector('[aria-invalid="true"]')?.focus()
