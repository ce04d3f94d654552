"""Who may run what: operators grant qualifications and take them away."""
