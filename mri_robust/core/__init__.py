"""Registry, seeding, input contract and other parts that know nothing of MRI."""
