from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("approvals", "0005_terms_by_domain")]

    operations = [
        migrations.AddField(
            model_name="domain",
            name="active",
            field=models.BooleanField(
                default=True,
                help_text="Switched off, nothing new comes to it; what waits there stays and can still be decided.",
                verbose_name="active",
            ),
        )
    ]
