// Light, dark or the system's choice, set before the first picture, so that nothing flashes.
document.documentElement.classList.add('js')
document.documentElement.dataset.theme = localStorage.getItem('theme') || 'auto'
